//! Namespaces held by file descriptors, and running code in them.

use std::os::fd::OwnedFd;

/// The namespaces of a process in a pod, in the order in which they are entered.
#[derive(Debug)]
pub struct Namespaces {
    /// Each with its name in `/proc/PID/ns`: `user` (absent as root), `pid`, `net`, `uts`, `mnt`.
    pub fds: Vec<(&'static str, OwnedFd)>,
}
