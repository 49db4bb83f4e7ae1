//! Waiting for signals in a process of one thread.

use std::{io, mem::MaybeUninit, ptr};

use rustix::process::WaitStatus;

/// From now on SIGCHLD, SIGTERM, SIGINT and SIGHUP wait for [`next`].
pub(super) fn block() -> io::Result<()> {
    change(libc::SIG_BLOCK)
}

/// From now on they take effect again.
pub(super) fn unblock() -> io::Result<()> {
    change(libc::SIG_UNBLOCK)
}

/// Waits for the next of these signals.
pub(super) fn next() -> i32 {
    let signals = signals();
    loop {
        // SAFETY: the set is initialized; details of the signal are not asked for.
        let signal = unsafe { libc::sigwaitinfo(&raw const signals, ptr::null_mut()) };
        if signal > 0 {
            return signal;
        }
    }
}

/// An exit code as shells count: 128 + signal number for a process that a signal ended.
pub(super) fn code(status: WaitStatus) -> i32 {
    status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal)).unwrap_or(1)
}

fn signals() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset initializes the set; the signals exist.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in [libc::SIGCHLD, libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
            libc::sigaddset(set.as_mut_ptr(), signal);
        }
        set.assume_init()
    }
}

fn change(how: i32) -> io::Result<()> {
    let signals = signals();
    // SAFETY: the set is initialized; the old mask is not asked for.
    match unsafe { libc::sigprocmask(how, &raw const signals, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
