//! The runner's main line: what is started, in which order, and how it all ends.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::Context;
use leno_api::runner::Happening;
use leno_runtime::signal::Stop;
use tokio::sync::watch;

use super::{
    Runner, Settings, api, control,
    controller::reconcile,
    events::Events,
    files,
    logs::Logs,
    mirror::Mirror,
    scrape,
    state::State,
    token::{REFRESH, Tokens},
};
use crate::sandbox::{Inside, Sandbox};

/// What pods are given to end at most when the whole mesh stops: somebody is waiting at a terminal.
const STOP_GRACE: Duration = Duration::from_secs(10);
/// How long readers of the events are given to read the last one.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Runs a mesh until it is told to stop.
///
/// # Errors
/// When the sandbox's network cannot be set up.
pub(crate) async fn run(inside: Inside, settings: Settings) -> anyhow::Result<()> {
    let mut signals = Stop::new().context("listen for signals")?;
    let sandbox = Sandbox::start(&inside, &settings.sandbox).await.context("set up the mesh's network")?;
    let Inside { directory, executable, control: listener, .. } = inside;
    let tokens = Tokens::new(&directory.join("tokens")).context("make the workloads' tokens")?;
    let mirror = Mirror::new(&directory.join("objects")).context("make the directory of objects")?;
    let runner = Arc::new(Runner {
        settings,
        started: Instant::now(),
        executable,
        directory,
        sandbox,
        events: Events::default(),
        logs: Logs::default(),
        tokens,
        state: Mutex::new(State::default()),
        generation: watch::Sender::new(1),
        shown: watch::Sender::new(None),
        shutdown: watch::Sender::new(false),
        traffic: scrape::Scraper::default(),
    });
    files::reload(&runner);
    runner.spawn(|runner| api::serve(runner, listener));
    runner.spawn(control::run);
    runner.spawn(|runner| reconcile::run(runner, mirror));
    runner.spawn(files::watch);
    runner.spawn(control::watch_objects);
    runner.spawn(scrape::run);
    runner.spawn(refresh_tokens);
    let mut shutdown = runner.shutdown.subscribe();
    tokio::select! {
        _ = signals.wait() => {}
        _ = shutdown.wait_for(|stop| *stop) => {}
    }
    stop(&runner, &mut signals).await;
    Ok(())
}

/// Ends everything in order; a second signal ends it at once.
async fn stop(runner: &Runner, signals: &mut Stop) {
    runner.shutdown.send_replace(true);
    runner.events.tell(Happening::Stopping);
    tokio::select! {
        () = runner.stop_pods(STOP_GRACE) => {}
        _ = signals.wait() => {
            runner.kill_pods();
            tokio::time::timeout(LAST_WORDS, runner.stop_pods(Duration::ZERO)).await.ok();
        }
    }
    runner.events.tell(Happening::Stopped);
    let readers_gone = async {
        while runner.events.has_readers() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LAST_WORDS, readers_gone).await.ok();
}

async fn refresh_tokens(runner: Arc<Runner>) {
    loop {
        tokio::time::sleep(Duration::from_secs(REFRESH)).await;
        if let Err(error) = runner.tokens.refresh() {
            runner.events.warn(format!("workload tokens: {error}"));
        }
    }
}

impl Runner {
    /// Where the control plane finds the objects.
    pub(crate) fn objects_directory(&self) -> PathBuf {
        self.directory.join("objects")
    }

    /// Where the certificate authority keeps its root.
    pub(crate) fn ca_directory(&self) -> PathBuf {
        self.settings.ca_directory.clone().unwrap_or_else(|| self.directory.join("ca"))
    }

    /// The certificate authority's root certificate; there once the control plane has started.
    pub(crate) fn root_certificate(&self) -> PathBuf {
        self.ca_directory().join("root.pem")
    }
}
