//! Namespaces held by file descriptors, and running code in them.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    panic::resume_unwind,
    thread,
};

use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

/// The namespaces of a process in a pod, in the order in which they are entered.
#[derive(Debug)]
pub struct Namespaces {
    /// Each with its name in `/proc/PID/ns`: `user` (absent as root), `pid`, `net`, `uts`, `mnt`.
    pub fds: Vec<(&'static str, OwnedFd)>,
}

/// Runs `work` in that network namespace, on a thread of its own, which ends with it: a thread that came back could be
/// left in the wrong namespace. Takes some 50 µs. Sockets made by `work` stay in the namespace.
///
/// # Errors
/// When the thread cannot be made or the namespace cannot be entered.
pub fn in_network<T: Send>(network: BorrowedFd<'_>, work: impl FnOnce() -> T + Send) -> io::Result<T> {
    in_thread(|| {
        move_into_link_name_space(network, Some(LinkNameSpaceType::Network))?;
        Ok(work())
    })
}

/// Makes new namespaces, and runs `work` in them on a thread of its own, which ends with it.
///
/// # Errors
/// Those of `unshare(2)` and of `work`.
pub fn in_new<T: Send>(flags: UnshareFlags, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    in_thread(|| {
        // SAFETY: file descriptors stay shared: the flags are those of namespaces.
        unsafe { unshare_unsafe(flags - UnshareFlags::FILES) }?;
        work()
    })
}

fn in_thread<T: Send>(work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .name("leno-namespace".to_owned())
            .stack_size(256 * 1024)
            .spawn_scoped(scope, work)?;
        thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// The calling thread's namespace of this name.
///
/// # Errors
/// When `/proc` is not there or no more files may be opened.
pub fn current(name: &str) -> io::Result<OwnedFd> {
    Ok(File::open(format!("/proc/thread-self/ns/{name}"))?.into())
}

/// Enters a namespace of the kind of this name, with the calling thread.
///
/// # Errors
/// Those of `setns(2)`.
pub fn enter(name: &str, namespace: impl AsFd) -> io::Result<()> {
    let kind = match name {
        "user" => LinkNameSpaceType::User,
        "pid" => LinkNameSpaceType::ProcessID,
        "net" => LinkNameSpaceType::Network,
        "uts" => LinkNameSpaceType::HostNameAndNISDomainName,
        "mnt" => LinkNameSpaceType::Mount,
        _ => return Err(io::ErrorKind::InvalidInput.into()),
    };
    Ok(move_into_link_name_space(namespace.as_fd(), Some(kind))?)
}
