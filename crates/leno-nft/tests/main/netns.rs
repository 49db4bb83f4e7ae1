//! A fresh network namespace for one test.

use std::{panic::resume_unwind, process::Command, thread};

use rustix::thread::{UnshareFlags, unshare_unsafe};

/// Runs `test` in a new network namespace: as root in a thread; else this program again in a new user namespace (which
/// needs a process of one thread), with only the test of this name. Where that is forbidden the test is passed over.
pub(crate) fn fresh(name: &str, test: impl FnOnce() + Send) {
    if rustix::process::geteuid().is_root() {
        return in_thread(test);
    }
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--net", "--"]);
        command
    };
    if unshare().arg("true").status().is_ok_and(|status| status.success()) {
        let executable = std::env::current_exe().unwrap();
        let output = unshare().arg(executable).args(["--exact", name]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
    }
}

fn in_thread(test: impl FnOnce() + Send) {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // SAFETY: no file descriptors are unshared, only the network namespace of this thread.
            unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.unwrap();
            test();
        });
        thread.join().unwrap_or_else(|panic| resume_unwind(panic));
    });
}
