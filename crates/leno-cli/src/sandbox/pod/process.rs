//! The processes of a pod: those in its network namespace.

use std::{
    fs, io,
    os::{fd::BorrowedFd, unix::fs::MetadataExt as _},
};

use rustix::{
    fs::fstat,
    process::{Pid, Signal, getpid, kill_process},
};

/// How often processes that were just being made are looked for again.
const ROUNDS: usize = 10;

/// Kills every process in the namespace.
pub(super) fn kill_all(network: BorrowedFd<'_>) -> io::Result<()> {
    let wanted = fstat(network)?.st_ino;
    // Where `/proc` is the host's, its numbers are not ours; but it tells ours as well, one level further down.
    let level = numbers(&fs::read_to_string("/proc/self/status")?).count();
    for _ in 0..ROUNDS {
        let found = in_namespace(wanted, level)?;
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

fn in_namespace(wanted: u64, level: usize) -> io::Result<Vec<Pid>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        // What has ended but is not collected yet has no namespaces any more.
        let is_in = fs::metadata(path.join("ns/net")).is_ok_and(|it| it.ino() == wanted);
        if !is_in {
            continue;
        }
        let status = fs::read_to_string(path.join("status")).unwrap_or_default();
        let process = numbers(&status).nth(level.saturating_sub(1));
        found.extend(process.filter(|process| *process != getpid()));
    }
    Ok(found)
}

/// A process's numbers in the PID namespaces that it is in, outermost first.
fn numbers(status: &str) -> impl Iterator<Item = Pid> {
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    line.unwrap_or_default().split_whitespace().filter_map(|number| Pid::from_raw(number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_from_the_outside_in() {
        let status = "Name:\tsleep\nNSpid:\t4711\t23\nNSpgid:\t1\t2\n";
        let found: Vec<i32> = numbers(status).map(|pid| pid.as_raw_nonzero().get()).collect();
        assert_eq!(found, [4711, 23]);
        assert_eq!(numbers("").count(), 0);
    }
}
