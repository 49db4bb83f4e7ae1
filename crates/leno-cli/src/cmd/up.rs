//! `leno up`.

use std::{
    io::Read,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use clap::Args;
use leno_api::runner::Happening;

use crate::{
    cli::Global,
    client::{Client, block_on},
    front::Watch,
    output::{Output, line},
    runner::{self, files},
    sandbox::{self, Entry, Inside, Side},
};

/// How long `--detach` waits unless told otherwise, in seconds.
const DETACHED_TIMEOUT: u64 = 120;

/// Run the services of Kubernetes manifests here, with a mesh around them
///
/// Reads Namespaces, Deployments, StatefulSets, Pods, Services, ConfigMaps, Secrets and the policies of SMI and Leno from
/// files and folders, runs each container's command as a process of this machine in a network of its own, and keeps doing
/// what the files say: edit one, and the change takes effect.
#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Manifest files, and folders that hold them at any depth
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Return when everything is ready and leave the mesh running; `leno down` ends it
    #[arg(long, short)]
    detach: bool,
    /// Give up when not everything is ready after so many seconds; 0 waits for ever, which is the default unless detached,
    /// when it is 120
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// Let pods reach services on this machine's loopback, under the name host.leno.internal
    #[arg(long)]
    allow_host_loopback: bool,
    /// Do not let pods reach anything outside the mesh
    #[arg(long)]
    no_egress: bool,
    /// Keep the certificate authority's root here, so that it stays the same from run to run
    #[arg(long, value_name = "DIR")]
    ca_dir: Option<PathBuf>,
}

impl Up {
    pub(crate) fn run(self, global: &Global, output: &Output) -> anyhow::Result<ExitCode> {
        match files::load(&self.paths) {
            Ok(gathered) => gathered.ignored.iter().filter(|_| !output.quiet).for_each(|ignored| output.warn(ignored)),
            Err(problems) => {
                output.error(&problems.join("\n"));
                return Ok(ExitCode::FAILURE);
            }
        }
        if self.detach {
            return self.detach(global, *output);
        }
        let timeout = Duration::from_secs(self.timeout.unwrap_or(0));
        let settings = self.settings(global)?;
        match sandbox::enter(&Entry { mesh: global.mesh.clone() })? {
            Side::Front(front) => block_on(Watch::new(front, &global.mesh, *output, timeout).run()),
            Side::Inside(inside) => run_inside(inside, settings),
        }
    }

    fn settings(&self, global: &Global) -> anyhow::Result<runner::Settings> {
        let absolute = |path: &PathBuf| std::path::absolute(path).with_context(|| path.display().to_string());
        Ok(runner::Settings {
            mesh: global.mesh.clone(),
            paths: self.paths.clone(),
            ca_directory: self.ca_dir.as_ref().map(absolute).transpose()?,
            sandbox: sandbox::Settings { egress: !self.no_egress, host_loopback: self.allow_host_loopback },
            environment: environment(),
        })
    }

    /// Starts the mesh in a process of its own and waits until it is ready.
    fn detach(&self, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
        let mut command = Command::new(std::env::current_exe().context("find this program")?);
        command.args(["--mesh", &global.mesh, "--quiet", "up"]).args(&self.paths);
        if self.allow_host_loopback {
            command.arg("--allow-host-loopback");
        }
        if self.no_egress {
            command.arg("--no-egress");
        }
        if let Some(directory) = &self.ca_dir {
            command.arg("--ca-dir").arg(directory);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        // Not in this process group: Ctrl-C at this terminal is not meant for it.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().context("start the mesh")?;
        let timeout = match self.timeout.unwrap_or(DETACHED_TIMEOUT) {
            0 => Duration::MAX,
            seconds => Duration::from_secs(seconds),
        };
        let outcome = block_on(ready(global, output, timeout, || {
            let Some(status) = child.try_wait()? else { return Ok(()) };
            let mut text = String::new();
            if let Some(stderr) = child.stderr.take() {
                stderr.take(64 << 10).read_to_string(&mut text)?;
            }
            bail!("the mesh ended ({status}): {}", text.trim().trim_start_matches("error: "))
        }));
        if outcome.is_err() {
            let client = Client::new(&global.mesh);
            // When it does not run any more there is nothing to stop.
            block_on(async {
                client.shutdown().await?;
                client.gone().await;
                Ok(())
            })
            .ok();
        }
        outcome.map(|()| ExitCode::SUCCESS)
    }
}

/// Waits until a mesh that has just been started is ready.
async fn ready(
    global: &Global,
    output: Output,
    timeout: Duration,
    mut check: impl FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let client = Client::new(&global.mesh);
    let start = Instant::now();
    let mut events = loop {
        check()?;
        match client.events(0).await {
            Ok(events) => break events,
            Err(error) if start.elapsed() > timeout => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    loop {
        let next = tokio::time::timeout(timeout.saturating_sub(start.elapsed()), events.next());
        let Ok(event) = next.await else { bail!(client.unready(timeout).await) };
        let Some(event) = event? else {
            check()?;
            bail!("the mesh ended");
        };
        if output.json {
            output.record(&event);
        } else if let Some(line) = line::of(&event) {
            output.note(&line);
        }
        if matches!(event.what, Happening::Ready { .. }) {
            return Ok(());
        }
    }
}

/// The runner's process.
fn run_inside(inside: Inside, settings: runner::Settings) -> anyhow::Result<ExitCode> {
    leno_runtime::init::crypto();
    let mut settings = settings;
    let own = own_folder(&inside)?;
    let beside = inside.executable_on_host.parent().unwrap_or(Path::new("/")).to_owned();
    extend_path(&mut settings.environment, &[&own, &beside]);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("start the runtime")?;
    let outcome = runtime.block_on(runner::run::run(inside, settings));
    // What is left has nothing to lose.
    runtime.shutdown_background();
    outcome.map(|()| ExitCode::SUCCESS)
}

/// The variables that containers inherit from this machine: what programs need to be found and to find their way. The
/// rest of a person's environment is not part of what a manifest says.
fn environment() -> Vec<(String, String)> {
    const KEPT: &[&str] = &[
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "LANG",
        "LANGUAGE",
        "TZ",
        "TMPDIR",
        "LD_LIBRARY_PATH",
        "VIRTUAL_ENV",
        "PYTHONPATH",
        "NODE_PATH",
        "JAVA_HOME",
        "GOPATH",
        "RUST_BACKTRACE",
    ];
    let kept = |name: &str| KEPT.contains(&name) || name.starts_with("LC_");
    let mut variables: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| kept(name))
        .collect();
    if !variables.iter().any(|(name, _)| name == "PATH") {
        variables.push(("PATH".into(), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into()));
    }
    variables
}

/// Adds folders at the end of `PATH`: one in which this very program is found as `leno`, and the one of its file, so that
/// programs built beside it are found.
fn extend_path(environment: &mut [(String, String)], folders: &[&Path]) {
    for (_, path) in environment.iter_mut().filter(|(name, _)| name == "PATH") {
        for folder in folders.iter().filter_map(|folder| folder.to_str()) {
            path.push(':');
            path.push_str(folder);
        }
    }
}

/// A folder with this program as `leno`, whatever its file is called and even when it has been replaced since.
fn own_folder(inside: &Inside) -> anyhow::Result<PathBuf> {
    let folder = inside.directory.join("bin");
    std::fs::create_dir(&folder).with_context(|| format!("make {}", folder.display()))?;
    std::os::unix::fs::symlink(&inside.executable, folder.join("leno")).context("link this program")?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_the_program_comes_last_in_the_path() {
        let mut environment = vec![("PATH".to_owned(), "/usr/bin".to_owned())];
        extend_path(&mut environment, &[Path::new("/opt/leno/bin")]);
        assert_eq!(environment[0].1, "/usr/bin:/opt/leno/bin");
    }
}
