//! PID 1: takes in orphans, passes SIGTERM on to the runner, and ends with it; the kernel then ends all others.

use std::io;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};

use crate::sandbox::signal;

/// Makes the runner's process; `None` in it. The signals that [`reap`] waits for are blocked in PID 1 from before, so
/// none is lost.
pub(super) fn fork() -> io::Result<Option<Pid>> {
    signal::block()?;
    // SAFETY: this process has one thread.
    match unsafe { libc::fork() } {
        0 => {
            signal::unblock()?;
            Ok(None)
        }
        process if process > 0 => Ok(Pid::from_raw(process)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Waits for the runner's end.
pub(super) fn reap(runner: Pid) -> ! {
    loop {
        match signal::next() {
            libc::SIGCHLD => collect(runner),
            _ => {
                // The runner may be gone; SIGCHLD follows then.
                kill_process(runner, Signal::TERM).ok();
            }
        }
    }
}

/// Ends this process without running anything that the front registered for its own end.
pub(super) fn end(code: i32) -> ! {
    // SAFETY: it does not return.
    unsafe { libc::_exit(code) }
}

/// Takes in all that have ended; ends when the runner is one of them.
fn collect(runner: Pid) {
    while let Ok(Some((process, status))) = wait(WaitOptions::NOHANG) {
        if process == runner {
            end(signal::code(status));
        }
    }
}
