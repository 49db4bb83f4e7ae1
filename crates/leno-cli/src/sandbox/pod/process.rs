//! The processes of a pod: those in its network namespace.

use std::{fs, io, os::fd::BorrowedFd, os::unix::fs::MetadataExt as _};

use rustix::{
    fs::fstat,
    process::{Pid, Signal, getpid, kill_process},
};

/// How often processes that were just being made are looked for again.
const ROUNDS: usize = 10;

/// Kills every process in the namespace.
pub(super) fn kill_all(network: BorrowedFd<'_>) -> io::Result<()> {
    let wanted = fstat(network)?.st_ino;
    // With the host's /proc, numbers are not ours; there, processes go with the sandbox.
    let ours = fs::read_link("/proc/self")?;
    if ours.to_str() != Some(&getpid().as_raw_nonzero().to_string()) {
        return Ok(());
    }
    for _ in 0..ROUNDS {
        let found = in_namespace(wanted)?;
        if found.is_empty() {
            break;
        }
        for process in found {
            // It may have ended meanwhile.
            kill_process(process, Signal::KILL).ok();
        }
    }
    Ok(())
}

fn in_namespace(wanted: u64) -> io::Result<Vec<Pid>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(number) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // What has ended but is not collected yet has no namespaces any more.
        let namespace = fs::metadata(format!("/proc/{number}/ns/net"));
        let is_in = namespace.is_ok_and(|namespace| namespace.ino() == wanted);
        found.extend(Pid::from_raw(number).filter(|process| is_in && *process != getpid()));
    }
    Ok(found)
}
