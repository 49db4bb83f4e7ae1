//! How it ends: in order, or all at once, but always altogether.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use leno_cli::sandbox::{EnterError, Side, enter};
use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    pod::{pod, sandbox, shell},
    scenario::{both, entry, wait},
};

pub(crate) fn the_runners_exit_code_comes_through() -> ExitCode {
    match enter(&entry()).unwrap() {
        Side::Front(front) => crate::scenario::runtime().block_on(async {
            assert_eq!(front.wait().await.unwrap(), 42);
            assert_eq!(front.wait().await.unwrap(), 42);
            front.terminate();
            ExitCode::SUCCESS
        }),
        Side::Inside(_) => ExitCode::from(42),
    }
}

pub(crate) fn sigterm_reaches_the_runner() -> ExitCode {
    let mesh = entry().mesh;
    both(
        |front| async move {
            // The inside says when it listens for the signal.
            drop(leno_cli::sandbox::connect(&mesh).unwrap());
            assert_eq!(crate::world::hear(&mesh), "ready");
            front.terminate();
            front.terminate();
            wait(front).await
        },
        |inside| async move {
            let mut terminate = signal(SignalKind::terminate()).unwrap();
            drop(inside.control.accept().await.unwrap());
            crate::world::tell(&inside, "ready").await;
            terminate.recv().await.unwrap();
        },
    )
}

pub(crate) fn one_mesh_of_a_name() -> ExitCode {
    let entry = entry();
    match enter(&entry).unwrap() {
        Side::Front(front) => {
            let again = enter(&entry).unwrap_err();
            assert!(matches!(again, EnterError::AlreadyRunning(_)), "{again}");
            front.kill();
            crate::scenario::runtime().block_on(async { front.wait().await.unwrap() });
            ExitCode::SUCCESS
        }
        Side::Inside(_) => crate::scenario::runtime().block_on(std::future::pending()),
    }
}

/// A mesh with a process in a pod, in a process of its own that can be killed: what `run busy-mesh` does.
pub(crate) fn busy_mesh() -> ExitCode {
    both(wait, |inside| async move {
        let sandbox = sandbox(&inside).await;
        let one = pod(&sandbox, 1).await;
        let _child = shell(&one, "setsid sleep 4242 & exec sleep 4242").spawn().unwrap();
        crate::until("two processes", || crate::mesh::sleeping(4242) == 2).await;
        println!("busy");
        std::io::stdout().flush().unwrap();
        std::future::pending::<()>().await;
    })
}

/// Every process of the host whose PID namespace is this one.
fn processes_in(namespace: &Path) -> usize {
    let all = fs::read_dir("/proc").unwrap().flatten();
    all.filter(|process| fs::read_link(process.path().join("ns/pid")).is_ok_and(|it| it == namespace)).count()
}

fn start_busy() -> (Child, Pid, std::path::PathBuf) {
    let program = std::env::current_exe().unwrap();
    let mut front = Command::new(program).args(["run", "busy-mesh"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(front.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "busy\n");
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", front.id())).unwrap();
    let first = children.trim().parse().unwrap();
    let namespace = fs::read_link(format!("/proc/{first}/ns/pid")).unwrap();
    assert!(processes_in(&namespace) >= 4, "PID 1, the runner, two that sleep");
    (front, Pid::from_raw(first).unwrap(), namespace)
}

fn nothing_is_left(namespace: &Path) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while processes_in(namespace) > 0 {
        assert!(Instant::now() < deadline, "processes are left");
        std::thread::yield_now();
    }
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains("/.leno"), "{mounts}");
    assert!(!Path::new("/.leno").exists() && !Path::new("/tmp/.leno").exists());
    let sockets = fs::read_to_string("/proc/net/unix").unwrap();
    let mine = format!("@leno/{}/test-", rustix::process::geteuid().as_raw());
    assert!(!sockets.contains(&mine), "{sockets}");
}

pub(crate) fn killing_the_front_leaves_nothing() -> ExitCode {
    let (mut front, _, namespace) = start_busy();
    front.kill().unwrap();
    front.wait().unwrap();
    nothing_is_left(&namespace);
    ExitCode::SUCCESS
}

pub(crate) fn killing_the_runner_leaves_nothing() -> ExitCode {
    let (mut front, first, namespace) = start_busy();
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", first.as_raw_nonzero())).unwrap();
    let runner = children.split_whitespace().next().unwrap().parse().unwrap();
    kill_process(Pid::from_raw(runner).unwrap(), Signal::KILL).unwrap();
    assert_eq!(front.wait().unwrap().code(), Some(128 + 9));
    nothing_is_left(&namespace);
    ExitCode::SUCCESS
}

/// Where no more user namespaces may be made: in one of our own that says so, without the capabilities that it gives.
pub(crate) fn the_setting_in_the_way_is_named() -> ExitCode {
    let program = std::env::current_exe().unwrap();
    let text = "echo 0 > /proc/sys/user/max_user_namespaces && \
                exec setpriv --bounding-set=-all --inh-caps=-all \"$0\" run refused";
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "sh", "-c", text]).arg(program);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("sysctl -w user.max_user_namespaces="), "{output:?}");
    ExitCode::SUCCESS
}

/// Says why it cannot enter.
pub(crate) fn refused() -> ExitCode {
    println!("{}", enter(&entry()).unwrap_err());
    ExitCode::SUCCESS
}
