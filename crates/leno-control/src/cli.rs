//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::Context as _;
use clap::{Args, Parser};
use leno_runtime::{LogArgs, signal::Stop};
use tracing::info;

use crate::wire;

/// The control plane of the Leno service mesh.
#[derive(Debug, Parser)]
#[command(name = "leno-control", version)]
pub struct Program {
    #[command(flatten)]
    cli: Cli,
}

impl Program {
    /// Does what the command line says.
    ///
    /// # Errors
    /// As [`run`].
    pub fn run(self) -> anyhow::Result<()> {
        run(self.cli)
    }
}

/// The flags of `leno control` and `leno-control`.
#[derive(Clone, Debug, Args)]
pub struct Cli {
    /// Directory of manifests (any depth), followed as it changes
    #[arg(long, env = "LENO_SOURCE", value_name = "DIR")]
    pub source: PathBuf,
    /// Directory of the certificate authority's root; made on first use
    #[arg(long, env = "LENO_CA_DIR", value_name = "DIR")]
    pub ca_dir: PathBuf,
    /// Public keys (JWKS) that workload tokens are signed with
    #[arg(long, env = "LENO_WORKLOAD_JWKS", value_name = "FILE")]
    pub workload_jwks: PathBuf,
    /// Where proxies connect: discovery, certificate signing and rate limits over TLS
    #[arg(long, env = "LENO_XDS_ADDRESS", value_name = "ADDRESS", default_value = "0.0.0.0:15012")]
    pub xds_address: SocketAddr,
    /// Discovery in plaintext, for development: whoever can connect is believed to be the node that it says it is
    #[arg(long, env = "LENO_PLAINTEXT_XDS_ADDRESS", value_name = "ADDRESS", default_value = "127.0.0.1:15010")]
    pub plaintext_xds_address: SocketAddr,
    /// Prometheus metrics and health
    #[arg(long, env = "LENO_METRICS_ADDRESS", value_name = "ADDRESS", default_value = "0.0.0.0:15014")]
    pub metrics_address: SocketAddr,
    /// The JSON API
    #[arg(long, env = "LENO_API_ADDRESS", value_name = "ADDRESS", default_value = "127.0.0.1:15080")]
    pub api_address: SocketAddr,
    /// The DNS name of the control plane's certificate; may be repeated
    #[arg(
        long = "name",
        env = "LENO_CONTROL_NAME",
        value_name = "NAME",
        default_value = "leno-control",
        value_delimiter = ','
    )]
    pub names: Vec<String>,
    /// Count the rate limits that policies leave to the control plane in this Redis, together with its other replicas, e.g.
    /// redis://user:password@host:6379/0; without it each counts for itself
    #[arg(long, env = "LENO_REDIS_URL", value_name = "URL", hide_env_values = true)]
    pub redis: Option<String>,
    /// What is logged, and how
    #[command(flatten)]
    pub log: LogArgs,
}

/// Runs the control plane until SIGTERM or SIGINT.
///
/// # Errors
/// When it cannot start: a directory that cannot be read, a port in use, an authority that cannot be opened.
#[expect(clippy::needless_pass_by_value, reason = "the whole program's flags, given away by main")]
pub fn run(cli: Cli) -> anyhow::Result<()> {
    cli.log.init()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("control")
        .build()
        .context("start the runtime")?;
    runtime.block_on(async {
        let mut stop = Stop::new().context("listen to signals")?;
        let running = wire::start(&cli).await?;
        info!(
            xds = %running.ports.xds, plaintext_xds = %running.ports.plaintext_xds, metrics = %running.ports.metrics,
            api = %running.ports.api, "the control plane is ready"
        );
        let signal = stop.wait().await;
        info!(signal, "stopping");
        running.stop().await;
        info!("stopped");
        Ok(())
    })
}
