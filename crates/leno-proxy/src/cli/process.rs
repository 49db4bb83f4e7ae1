//! What every way to run the proxy has in common: log, workers, drain.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use clap::Args;
use leno_runtime::{Drain, LogArgs, LogLevel, drain, signal::Stop};

use crate::{
    admin::Admin,
    settings::Limits,
    worker::{self, Shared, run::Handle},
};

/// How long the access log may take to be written at the end.
const LOG_END: Duration = Duration::from_millis(500);

/// How the process runs.
#[derive(Args, Clone, Debug)]
pub(super) struct ProcessArgs {
    /// How many worker threads
    #[arg(long, env = "LENO_CONCURRENCY", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) concurrency: u16,
    /// What is logged, and how
    #[command(flatten)]
    log: LogArgs,
    /// How long requests under way may take to end when the process is asked to
    #[arg(long, env = "LENO_DRAIN_SECONDS", default_value_t = 5)]
    drain_seconds: u64,
    /// The most connections accepted and not yet closed; requests on a few more are answered with 503, others are closed
    /// at once. 0: two fifths of the file descriptor limit
    #[arg(long, env = "LENO_MAX_CONNECTIONS", default_value_t = 0)]
    pub(super) max_connections: u32,
}

/// Runs until a signal, or `/drain`, ends it. `start` returns once every socket listens.
pub(super) fn run(
    args: &ProcessArgs,
    start: impl AsyncFnOnce(LogLevel, &Drain) -> anyhow::Result<Arc<Admin>>,
) -> anyhow::Result<()> {
    let log = args.log.init()?;
    Limits::raise_descriptors();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(process(args, log, start));
    // Connections to the control plane need no farewell.
    runtime.shutdown_background();
    result
}

/// The control thread.
async fn process(
    args: &ProcessArgs,
    log: LogLevel,
    start: impl AsyncFnOnce(LogLevel, &Drain) -> anyhow::Result<Arc<Admin>>,
) -> anyhow::Result<()> {
    let mut stop = Stop::new()?;
    let drain_time = Duration::from_secs(args.drain_seconds);
    let (drain, drained) = drain::channel();
    drop(drained);
    let admin = start(log, &drain).await?;
    let reason = tokio::select! {
        signal = stop.wait() => signal,
        () = admin.stop.notified() => "/drain",
    };
    tracing::info!(reason, seconds = args.drain_seconds, "draining");
    admin.draining.store(true, Ordering::Relaxed);
    drain.start();
    let finished = tokio::select! {
        finished = drain.finish(drain_time) => finished,
        // Asked again: at once.
        signal = stop.wait() => { tracing::warn!(signal, "not waiting any longer"); false }
    };
    admin.shared.access_log.finish(LOG_END);
    let left = admin.shared.connections.load(Ordering::Relaxed);
    tracing::info!(finished, connections_left = left, "end");
    Ok(())
}

/// Starts the workers; all of them listen.
pub(super) async fn workers(shared: &Arc<Shared>, concurrency: u16, drain: &Drain) -> io::Result<Vec<Handle>> {
    let mut workers = Vec::new();
    for id in 0..usize::from(concurrency) {
        workers.push(worker::run::start(id, Arc::clone(shared), drain.holder()).await?);
    }
    Ok(workers)
}
