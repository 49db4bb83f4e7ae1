//! Processes of a container: the container's own, and commands that run beside it.

use std::{
    ffi::OsStr,
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::Arc,
};

use leno_runtime::task::spawn;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::{
    io::AsyncReadExt,
    process::{Child, Command},
};

use super::environment::Variables;
use crate::{
    runner::logs::Log,
    sandbox::{self, Privilege},
};

/// Output of a command that is kept to explain its failure.
const KEEP: u64 = 4096;

/// How a container's processes are started.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    /// The environment, whole.
    pub(crate) environment: Variables,
    /// Where they run.
    pub(crate) directory: PathBuf,
    /// What they may do.
    pub(crate) privilege: Privilege,
}

/// The end of a command.
pub(crate) struct Output {
    /// The exit code; 128 and the signal's number when a signal ended it.
    pub(crate) code: i32,
    /// The beginning of what it wrote.
    pub(crate) text: String,
}

impl Process {
    fn command(&self, place: &sandbox::Pod, argv: &[String]) -> Result<Command, String> {
        let (program, arguments) = argv.split_first().ok_or("command is empty")?;
        let mut command = place.command(self.privilege, OsStr::new(program), &self.directory);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.envs(self.environment.clone().into_pairs());
        Ok(command)
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) async fn output(&self, place: &sandbox::Pod, argv: &[String]) -> Result<Output, String> {
        let mut command = self.command(place, argv)?;
        let mut child = command.kill_on_drop(true).spawn().map_err(|error| format!("start {}: {error}", argv[0]))?;
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let stdout = child.stdout.take().map(|it| it.take(KEEP));
        let stderr = child.stderr.take().map(|it| it.take(KEEP));
        let read_out = async { Some(stdout?.read_to_end(&mut out).await) };
        let read_err = async { Some(stderr?.read_to_end(&mut err).await) };
        let (_, _, status) = tokio::join!(read_out, read_err, child.wait());
        let status = status.map_err(|error| error.to_string())?;
        out.append(&mut err);
        Ok(Output { code: code(status), text: String::from_utf8_lossy(&out).into_owned() })
    }

    /// Starts the container's own process; its output goes to the log.
    ///
    /// # Errors
    /// When it cannot be started, in words for people.
    pub(crate) fn start(&self, place: &sandbox::Pod, argv: &[String], log: Arc<Log>) -> Result<Running, String> {
        let mut child = self.command(place, argv)?.spawn().map_err(|error| {
            let program = &argv[0];
            format!("cannot start {program:?} in {}: {error}", self.directory.display())
        })?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        spawn(async move {
            let out = async {
                if let Some(stdout) = stdout {
                    log.drain(stdout).await;
                }
            };
            let err = async {
                if let Some(stderr) = stderr {
                    log.drain(stderr).await;
                }
            };
            tokio::join!(out, err);
            log.finish();
        });
        let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        Ok(Running { child, group })
    }
}

/// The exit code as a shell shows it.
pub(crate) fn code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(255)
}

/// A process that runs, and the group that it leads.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    group: Option<Pid>,
}

impl Running {
    /// The process id, inside.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits for the end of the leading process. May be cancelled and called again.
    pub(crate) async fn wait(&mut self) -> Option<ExitStatus> {
        self.child.wait().await.ok()
    }

    /// Sends a signal to the whole group.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // There is nobody left to signal when it fails, which is fine.
            kill_process_group(group, signal).ok();
        }
    }

    /// Whether any process of the group is left.
    pub(crate) fn has_group(&self) -> bool {
        self.group.is_some_and(|group| test_kill_process_group(group).is_ok())
    }
}

/// The signal of this name (`SIGTERM`…); `SIGTERM` for names that are not known.
pub(crate) fn signal_named(name: Option<&str>) -> Signal {
    match name.unwrap_or("SIGTERM").trim_start_matches("SIG") {
        "HUP" => Signal::HUP,
        "INT" => Signal::INT,
        "QUIT" => Signal::QUIT,
        "KILL" => Signal::KILL,
        "USR1" => Signal::USR1,
        "USR2" => Signal::USR2,
        _ => Signal::TERM,
    }
}
