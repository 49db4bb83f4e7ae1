//! The command line.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use anyhow::Context as _;
use clap::Args;
use leno_runtime::{LogArgs, drain, signal::Stop, task};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tracing::info;

use crate::{
    counter::{Counter, Memory, Redis},
    files::Files,
    metric::Metrics,
    serve,
    service::Service,
};

/// The flags of `leno ratelimit`.
#[derive(Clone, Debug, Args)]
pub struct Cli {
    /// Files of limits, or folders of them, followed as they change; without any only limits are kept that come with the
    /// question, as those of TrafficPolicies do
    #[arg(long, env = "LENO_RATELIMIT_CONFIG", value_name = "PATH", value_delimiter = ',')]
    pub config: Vec<PathBuf>,
    /// Where sidecars ask (Envoy's rate limit protocol, gRPC in plaintext)
    #[arg(long, env = "LENO_RATELIMIT_ADDRESS", value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    pub address: SocketAddr,
    /// Prometheus metrics and health
    #[arg(long, env = "LENO_METRICS_ADDRESS", value_name = "ADDRESS", default_value = "127.0.0.1:15014")]
    pub metrics_address: SocketAddr,
    /// Count in this Redis, together with other replicas, e.g. redis://user:password@host:6379/0; without it each process
    /// counts for itself
    #[arg(long, env = "LENO_REDIS_URL", value_name = "URL", hide_env_values = true)]
    pub redis: Option<String>,
    /// What is logged, and how
    #[command(flatten)]
    pub log: LogArgs,
}

/// Runs the service until SIGTERM or SIGINT.
///
/// # Errors
/// When it cannot start: limits that cannot be read or are wrong, a port in use, no Redis where one should be.
#[expect(clippy::needless_pass_by_value, reason = "the whole program's flags, given away by main")]
pub fn run(cli: Cli) -> anyhow::Result<()> {
    cli.log.init()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("ratelimit")
        .build()
        .context("start the runtime")?;
    runtime.block_on(serve(&cli))
}

async fn serve(cli: &Cli) -> anyhow::Result<()> {
    let mut stop = Stop::new().context("listen to signals")?;
    let (files, rules) = Files::read(&cli.config)?;
    let domains: Vec<_> = rules.domains().map(str::to_owned).collect();
    let (grpc, http) = (bind(cli.address, "--address").await?, bind(cli.metrics_address, "--metrics-address").await?);
    let counter = match &cli.redis {
        Some(url) => Counter::Redis(Redis::connect(url).await.context("connect to Redis (--redis)")?),
        None => Counter::Memory(Memory::default()),
    };
    let mut registry = Registry::default();
    let metrics = Arc::new(Metrics::register(&mut registry));
    let service = Service::new(rules, counter, Arc::clone(&metrics));
    info!(
        address = %grpc.local_addr()?, metrics = %http.local_addr()?, domains = domains.join(","),
        shared = cli.redis.is_some(), "the rate limit service is ready"
    );
    let (draining, drained) = drain::channel();
    let grpc = task::spawn(serve::grpc(grpc, service.clone(), drained.clone()));
    let http = task::spawn(serve::http(http, registry, drained));
    let following = task::spawn(async move { files.follow(service, &metrics).await });
    let signal = stop.wait().await;
    info!(signal, "stopping");
    following.abort();
    draining.start();
    grpc.await??;
    http.await??;
    info!("stopped");
    Ok(())
}

async fn bind(address: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("listen on {address} ({flag})"))
}
