//! A pod: a network namespace with an address on the bridge, a mount namespace with its own `/etc/resolv.conf` and
//! `/etc/hosts`, and a host name of its own.
//!
//! No process holds these namespaces; file descriptors do. PR_SET_PDEATHSIG is not used for the processes of a pod: it
//! follows the *thread* that forked, and threads of a runtime come and go. PID 1 of the sandbox answers for their end.

use std::{
    ffi::OsStr,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
};

use leno_proxy::redirect::Redirect;
use tokio::{net::TcpStream, process::Command};

use super::{error::SandboxError, namespace::Namespaces};

/// What a pod is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodSettings {
    /// Its namespace: short names are looked up there first.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its host name: the pod's `hostname`, else its name.
    pub hostname: String,
    /// Its `subdomain`, if any: `hostname.subdomain.namespace.svc.cluster.local` is then its full name in `/etc/hosts`.
    pub subdomain: Option<String>,
    /// Its address, not used by any other pod.
    pub address: Ipv4Addr,
    /// More lines of `/etc/hosts` (`hostAliases`).
    pub host_aliases: Vec<(IpAddr, Vec<String>)>,
}

/// What a process in a pod may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privilege {
    /// What an ordinary process may: nothing to do with the network's set-up. When `leno` runs as root this is the part
    /// of Kubernetes' default capabilities that has to do with files and users, else none.
    Application,
    /// CAP_NET_ADMIN and nothing else: a sidecar marks its sockets.
    Sidecar,
}

/// A pod's place. Dropping it without [`Pod::destroy`] leaves link and processes to the end of the sandbox.
#[derive(Debug)]
pub struct Pod {}

impl Pod {
    /// Its address.
    pub fn address(&self) -> Ipv4Addr {
        todo!()
    }

    /// A command that will run in the pod: in its namespaces, in a session of its own (so that a signal to the process
    /// group `-pid` reaches all of the container), with no new privileges, in `directory`. The caller adds arguments,
    /// environment (it inherits nothing: `env_clear` has been called) and standard streams, and may spawn it from any
    /// thread. `program` without a slash is looked up in the `PATH` that the caller sets.
    ///
    /// `Command::current_dir` must not be used: the mount namespace is entered after it takes effect.
    pub fn command(&self, privilege: Privilege, program: &OsStr, directory: &Path) -> Command {
        todo!()
    }

    /// Writes the packet rules that lead the pod's traffic through its sidecar. Call before anything runs in the pod.
    ///
    /// # Errors
    /// When the kernel refuses them.
    pub async fn redirect(&self, redirect: &Redirect) -> Result<(), SandboxError> {
        todo!()
    }

    /// A connection from inside the pod, as the kubelet's probes make it: to the pod's address it comes from the pod
    /// itself, so no sidecar rule applies. The caller sets a deadline.
    ///
    /// # Errors
    /// Those of `connect(2)`.
    pub async fn connect(&self, to: SocketAddr) -> io::Result<TcpStream> {
        todo!()
    }

    /// Its namespaces, for `leno exec`: to be sent to another process of the same user.
    ///
    /// # Errors
    /// When the process may open no more files.
    pub fn namespaces(&self) -> io::Result<Namespaces> {
        todo!()
    }

    /// Kills what still runs in it and takes its link away. Idempotent.
    pub async fn destroy(&self) {
        todo!()
    }
}
