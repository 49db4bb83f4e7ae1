//! The first steps of PID 1: a session of its own, a life bound to the front's, and its user's ids.

use std::fs;

use rustix::process::{Signal, set_parent_process_death_signal, setsid};

use super::{Attempt as _, Failure, Identity};
use crate::sandbox::channel::Channel;

/// Becomes what the sandbox's first process is to be. `front` tells whether the front still lives.
pub(super) fn take(identity: &Identity, front: &Channel) -> Result<(), Failure> {
    // Ctrl-C goes to the foreground process group of the terminal's session: no longer to us.
    setsid().attempt("start a session")?;
    set_parent_process_death_signal(Some(Signal::KILL)).attempt("bind to the front's life")?;
    if front.is_closed() {
        // It died before it would have killed us.
        super::reaper::end(1);
    }
    if identity.user_namespace {
        map(identity)?;
    }
    Ok(())
}

/// Every id inside is the same as outside; there is just one of each. (Being 0 inside would make programs believe
/// that they can change owners.)
fn map(identity: &Identity) -> Result<(), Failure> {
    let Identity { uid, gid, .. } = identity;
    fs::write("/proc/self/setgroups", "deny").attempt("fix groups (/proc/self/setgroups)")?;
    fs::write("/proc/self/uid_map", format!("{uid} {uid} 1")).attempt("map the user id (/proc/self/uid_map)")?;
    fs::write("/proc/self/gid_map", format!("{gid} {gid} 1")).attempt("map the group id (/proc/self/gid_map)")
}
