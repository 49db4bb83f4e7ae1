//! What processes in pods may do.

use std::io;

use rustix::thread::{
    CapabilitySet, CapabilitySets, capability_is_in_bounding_set, clear_ambient_capability_set,
    configure_capability_in_ambient_set, remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};

/// What a process in a pod may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privilege {
    /// What an ordinary process may: nothing to do with the network's set-up. When `leno` runs as root this is the part
    /// of Kubernetes' default capabilities that has to do with files and users, else none.
    Application,
    /// CAP_NET_ADMIN and nothing else: a sidecar marks its sockets.
    Sidecar,
    /// An application's, and what looking at the network needs (tcpdump, nft): for a person who asks for it.
    Observer,
}

/// The number of the last capability that may be there; those past it are the kernel's to add.
const LAST: u32 = 63;

impl Privilege {
    /// What a process has that user 0 starts: daemons that begin as root change their files and users. With no new
    /// privileges to be had, a program is given only what the process that executes it has.
    fn kept(self) -> CapabilitySet {
        match self {
            Self::Observer => Self::Application.kept() | self.given(),
            Self::Application => {
                CapabilitySet::CHOWN
                    | CapabilitySet::DAC_OVERRIDE
                    | CapabilitySet::FOWNER
                    | CapabilitySet::FSETID
                    | CapabilitySet::KILL
                    | CapabilitySet::SETGID
                    | CapabilitySet::SETUID
                    | CapabilitySet::SETPCAP
                    | CapabilitySet::NET_BIND_SERVICE
                    | CapabilitySet::SYS_CHROOT
            }
            Self::Sidecar => CapabilitySet::NET_ADMIN,
        }
    }

    /// What a program is given that another user starts.
    fn given(self) -> CapabilitySet {
        match self {
            Self::Application => CapabilitySet::empty(),
            Self::Sidecar => CapabilitySet::NET_ADMIN,
            Self::Observer => CapabilitySet::NET_ADMIN | CapabilitySet::NET_RAW,
        }
    }

    /// Gives up everything else, between fork and exec: no allocation, no lock.
    ///
    /// # Errors
    /// When the kernel refuses; nothing may be executed then.
    pub(super) fn assume(self) -> io::Result<()> {
        set_no_new_privs(true)?;
        for number in 0..LAST {
            let one = CapabilitySet::from_bits_retain(1 << number);
            if self.kept().contains(one) {
                continue;
            }
            // An error means that the kernel knows no capability of that number.
            if capability_is_in_bounding_set(one).unwrap_or(false) {
                remove_capability_from_bounding_set(one)?;
            }
        }
        clear_ambient_capability_set()?;
        let given = if rustix::process::geteuid().is_root() { self.kept() } else { self.given() };
        set_capabilities(None, CapabilitySets { effective: given, permitted: given, inheritable: given })?;
        for one in given.iter() {
            configure_capability_in_ambient_set(one, true)?;
        }
        Ok(())
    }
}
