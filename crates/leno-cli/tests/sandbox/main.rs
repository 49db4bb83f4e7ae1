//! The sandbox in real namespaces: as the user that runs the tests and, when that is root, as an ordinary user too.
//!
//! Entering needs a process of one thread, so this is a test program without the usual harness: each scenario runs in a
//! process of its own, `sandbox run NAME`. A filter may be given, as usual.

#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::panic, clippy::indexing_slicing, reason = "a test may")]

mod end;
mod mesh;
mod pod;
mod scenario;
mod world;

use std::{
    env,
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

/// Who runs a scenario.
#[derive(Clone, Copy, Debug)]
enum User {
    Current,
    /// Through setpriv(1), which only root can do.
    Nobody,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [run, name] = arguments.as_slice()
        && run == "run"
    {
        return scenario::run(name);
    }
    let filter = arguments.iter().find(|it| !it.starts_with('-'));
    let mut users = vec![User::Current];
    if rustix::process::geteuid().is_root() {
        users.push(User::Nobody);
    }
    let mut failed = Vec::new();
    for name in scenario::names() {
        if filter.is_some_and(|filter| !name.contains(filter.as_str())) {
            continue;
        }
        for user in &users {
            let start = Instant::now();
            let good = process(name, *user).status().is_ok_and(|status| status.success());
            let word = if good { "ok" } else { "FAILED" };
            println!("test {name} ({user:?}) ... {word} in {} ms", start.elapsed().as_millis());
            if !good {
                failed.push(name);
            }
        }
    }
    if failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("failed: {failed:?}");
    ExitCode::FAILURE
}

/// A scenario's process.
fn process(name: &str, user: User) -> Command {
    let program = env::current_exe().unwrap();
    let mut command = match user {
        User::Current => Command::new(program),
        User::Nobody => {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]);
            command.arg(program);
            command
        }
    };
    command.args(["run", name]).stdin(Stdio::null());
    command
}

/// Waits until `condition` holds, at most ten seconds.
async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within ten seconds");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
