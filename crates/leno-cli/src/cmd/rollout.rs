//! `leno rollout`.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, IsTerminal},
    os::{fd::AsFd, unix::fs::FileTypeExt},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use clap::Args;
use leno_kube::{Cluster, ClusterArgs};
use leno_manifest::{Kind, syntax::duration};
use leno_runtime::{signal::Stop, task::spawn};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{oneshot, watch},
};

use crate::{
    cli::Global,
    client::{Client, block_on},
    cmd::NAMESPACE,
    output::Output,
    rollout::{
        BackendName, Choice, Course, End, Interrupt, Limits, Pause, Plan, Schedule,
        event::Event,
        place::{InCluster, Local, Place},
    },
};

/// The exit code when the weights are again what they were.
const ROLLED_BACK: u8 = 1;
/// The exit code when nothing was changed, because it cannot be done as it was said.
const NOTHING_DONE: u8 = 2;
/// The exit code when it ended on the way and left the weights as they are.
const STOPPED: u8 = 3;

/// Shift requests to a new version step by step, and back when it does not do well
///
/// Writes the weights of a TrafficSplit or HTTPRoute, watches what the sidecars of the callers count of the new version, and
/// goes on when it is good. When too many requests fail or take too long, on Ctrl-C and on SIGTERM, the weights go back to
/// what they were. What somebody else writes meanwhile is not overwritten: the rollout stops. Ends with 0 when the last step
/// was good, 1 when the weights were rolled back, 2 when nothing was done, 3 when it stopped and the weights are left as they
/// are.
#[derive(Debug, Args)]
pub(crate) struct Rollout {
    /// The object that has the weights: `trafficsplit/NAME` or `httproute/NAME`
    #[arg(value_name = "KIND/NAME")]
    object: String,
    /// The namespace
    #[arg(long, short, default_value = NAMESPACE)]
    namespace: String,
    /// The backend that gets more: a service, `[NAMESPACE/]NAME[:PORT]`
    #[arg(long, value_name = "BACKEND")]
    to: BackendName,
    /// The backend that gets less; the only other one that gets anything when not given
    #[arg(long, value_name = "BACKEND")]
    from: Option<BackendName>,
    /// The rule of an HTTPRoute, by its name or its number from 0; the only one that has the backend when not given
    #[arg(long, value_name = "RULE")]
    rule: Vec<String>,
    /// What it gets, in hundredths of what both have together
    #[arg(long, value_name = "PERCENT", value_delimiter = ',', default_value = "5,25,50,100",
          value_parser = clap::value_parser!(u8).range(1..=100))]
    steps: Vec<u8>,
    /// How long callers are watched at each step
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    interval: Duration,
    /// Pause after this step until a line comes in on standard input (Enter), or for a time; callers are watched meanwhile
    #[arg(long, value_name = "PERCENT[=TIME]", value_delimiter = ',', value_parser = pause)]
    pause_at: Vec<(u8, Pause)>,
    /// The share of requests that may fail: status 500 and above, or no answer at all
    #[arg(long, value_name = "PERCENT%", default_value = "1%", value_parser = percent)]
    max_error_rate: f64,
    /// What 99 of 100 requests may take; not looked at when not given
    #[arg(long, value_name = "TIME", value_parser = time)]
    max_p99: Option<Duration>,
    /// How many requests it takes to judge; with fewer the step goes on. With 0 it goes by time alone when there are none
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    min_requests: u64,
    /// How long a step may wait for so many requests
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = time)]
    deadline: Duration,
    /// Leave the weights as they are when it does not do well, and on Ctrl-C
    #[arg(long)]
    keep: bool,
    /// Show the weights of each step and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
}

impl Rollout {
    pub(crate) fn run(self, global: &Global, output: &Output) -> ExitCode {
        let output = *output;
        let tell = move |event: &Event| tell(event, output);
        match block_on(self.go(&global.mesh, &tell)) {
            Ok(None | Some(End::Promoted)) => ExitCode::SUCCESS,
            Ok(Some(End::RolledBack)) => ExitCode::from(ROLLED_BACK),
            Ok(Some(End::Stopped)) => ExitCode::from(STOPPED),
            Err(error) => {
                output.failure(&error);
                ExitCode::from(NOTHING_DONE)
            }
        }
    }

    /// Errors are those before anything was changed; no end is that of a dry run.
    async fn go(self, mesh: &str, tell: &dyn Fn(&Event)) -> anyhow::Result<Option<End>> {
        self.check()?;
        let (kind, name) = self.object()?;
        let namespace = self.namespace.clone();
        match self.cluster.access() {
            None => {
                self.at(Local { client: Client::new(mesh), kind, namespace, name: name.clone() }, kind, &name, tell)
                    .await
            }
            Some(access) => {
                let cluster = Cluster::new(&access).await?;
                self.at(InCluster { cluster, kind, namespace, name: name.clone() }, kind, &name, tell).await
            }
        }
    }

    async fn at(self, place: impl Place, kind: Kind, name: &str, tell: &dyn Fn(&Event)) -> anyhow::Result<Option<End>> {
        let shown = format!("{} {}/{name}", kind.as_str(), self.namespace);
        let Some(object) = place.read().await? else { bail!("{shown} not found") };
        let choice = Choice { to: self.to.clone(), from: self.from.clone(), rules: self.rule.clone() };
        let plan = Plan::new(kind, &object, &choice).with_context(|| shown.clone())?;
        let last = self.steps.last().copied().unwrap_or_default();
        ensure!(!plan.ahead(&self.steps).is_empty(), "{shown}: {} gets more than {last}% already", plan.to);
        match place.ready(&plan.canary).await? {
            None => bail!("service {} not found", plan.canary),
            Some(0) => bail!("service {} has no instance that is ready", plan.canary),
            Some(_) => {}
        }
        let dry_run = self.dry_run;
        let interrupt = interrupt()?;
        let course = Course::new(place, shown, &object, plan, self.schedule()).among(interrupt, ask, tell);
        if dry_run {
            course.show();
            return Ok(None);
        }
        Ok(Some(course.run().await))
    }

    /// Refuses what makes no sense together.
    fn check(&self) -> anyhow::Result<()> {
        ensure!(self.steps.is_sorted_by(|one, next| one < next), "--steps go up, e.g. 5,25,50,100");
        ensure!(!self.interval.is_zero(), "--interval is longer than 0");
        for (step, pause) in &self.pause_at {
            ensure!(self.steps.contains(step), "--pause-at {step}: there is no such step");
            ensure!(
                *pause != Pause::UntilTold || can_be_told(),
                "--pause-at {step}: nobody can say here that it may go on; give the pause a time: {step}=10m"
            );
        }
        Ok(())
    }

    /// The kind and name of the object.
    fn object(&self) -> anyhow::Result<(Kind, String)> {
        let (word, name) =
            self.object.split_once('/').with_context(|| format!("{:?} is not KIND/NAME", self.object))?;
        let Some(kind @ (Kind::TrafficSplit | Kind::HttpRoute)) = Kind::named(word) else {
            bail!("{word:?} has no weights to roll out; trafficsplit and httproute have")
        };
        Ok((kind, name.to_owned()))
    }

    fn schedule(self) -> Schedule {
        let limits = Limits { error_rate: self.max_error_rate, p99: self.max_p99, requests: self.min_requests };
        Schedule {
            steps: self.steps,
            interval: self.interval,
            deadline: self.deadline,
            pauses: self.pause_at.into_iter().collect::<BTreeMap<_, _>>(),
            limits,
            keep: self.keep,
        }
    }
}

/// Progress is good to know; how it ended badly is told even to those who want to be left alone.
fn tell(event: &Event, output: Output) {
    match event {
        _ if output.json => output.record(event),
        Event::RolledBack { .. } | Event::Stopped { .. } => output.error(&event.line()),
        _ => output.note(&event.line()),
    }
}

/// Waits for signals that ask for an end; no signal kills the process from now on. That the terminal has gone is one, too.
fn interrupt() -> anyhow::Result<Interrupt> {
    let mut stop = Stop::new().context("listen for signals")?;
    let mut hangup = signal(SignalKind::hangup()).context("listen for signals")?;
    let (send, receive) = watch::channel(None);
    spawn(async move {
        loop {
            let name = tokio::select! {
                name = stop.wait() => name,
                _ = hangup.recv() => "SIGHUP",
            };
            send.send_replace(Some(name));
        }
    });
    Ok(Interrupt(receive))
}

/// Whether a line may come in on standard input: a device that is no terminal (`/dev/null`) has none.
fn can_be_told() -> bool {
    let input = io::stdin();
    let device = || {
        let file = input.as_fd().try_clone_to_owned().map(std::fs::File::from);
        file.and_then(|file| file.metadata()).is_ok_and(|it| it.file_type().is_char_device())
    };
    input.is_terminal() || !device()
}

/// Waits for a line on standard input, on a thread that the end of the process does not wait for.
fn ask() -> oneshot::Receiver<()> {
    let (send, receive) = oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        if io::stdin().lock().read_line(&mut line).is_ok_and(|length| length > 0) {
            // Nobody waits any more when it has ended meanwhile.
            send.send(()).ok();
        }
    });
    receive
}

fn time(text: &str) -> Result<Duration, String> {
    duration::parse(text).ok_or_else(|| format!("expected {}", duration::EXPECTED))
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').and_then(|number| number.parse::<f64>().ok());
    let number = number.filter(|number| (0.0..=100.0).contains(number));
    number.map(|number| number / 100.0).ok_or_else(|| "expected 0% to 100%, e.g. 1% or 0.5%".into())
}

fn pause(text: &str) -> Result<(u8, Pause), String> {
    let (step, pause) = match text.split_once('=') {
        Some((step, length)) => (step, Pause::For(time(length)?)),
        None => (text, Pause::UntilTold),
    };
    let step = step.parse().map_err(|_| "expected a step, e.g. 50 or 50=10m".to_owned())?;
    Ok((step, pause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_as_people_write_them() {
        assert_eq!((percent("0.5%"), percent("1").is_err(), percent("101%").is_err()), (Ok(0.005), true, true));
        assert_eq!(pause("50"), Ok((50, Pause::UntilTold)));
        assert_eq!(pause("50=1m30s"), Ok((50, Pause::For(Duration::from_secs(90)))));
        assert!(pause("half").is_err() && pause("50=x").is_err() && time("soon").is_err());
    }
}
