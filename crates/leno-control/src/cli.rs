//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::Context as _;
use clap::{Args, Parser};
use leno_kube::{Access, ClusterArgs};
use leno_runtime::{LogArgs, signal::Stop};
use leno_source::kubernetes::Extent;
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
    /// Where objects come from, and who says what a workload's token is worth
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Directory of the certificate authority's root; made on first use
    #[arg(long, env = "LENO_CA_DIR", value_name = "DIR")]
    pub ca_dir: PathBuf,
    /// Where proxies connect: discovery, certificate signing and rate limits over TLS
    #[arg(long, env = "LENO_XDS_ADDRESS", value_name = "ADDRESS", default_value = "0.0.0.0:15012")]
    pub xds_address: SocketAddr,
    /// Discovery in plaintext, for development: whoever can connect is believed to be the node that it says it is
    #[arg(long, env = "LENO_PLAINTEXT_XDS_ADDRESS", value_name = "ADDRESS", default_value = "127.0.0.1:15010")]
    pub plaintext_xds_address: SocketAddr,
    /// Prometheus metrics and health
    #[arg(long, env = "LENO_METRICS_ADDRESS", value_name = "ADDRESS", default_value = "0.0.0.0:15014")]
    pub metrics_address: SocketAddr,
    /// Where the API server of --kubernetes asks about objects before it stores them, over TLS
    #[arg(long, env = "LENO_WEBHOOK_ADDRESS", value_name = "ADDRESS", default_value = "0.0.0.0:15017")]
    pub webhook_address: SocketAddr,
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

/// A directory, or a cluster.
#[derive(Clone, Debug, Args)]
pub struct PlaceArgs {
    /// Directory of manifests (any depth), followed as it changes
    #[arg(
        long,
        env = "LENO_SOURCE",
        value_name = "DIR",
        requires = "workload_jwks",
        required_unless_present = "kubernetes",
        conflicts_with = "kubernetes"
    )]
    pub source: Option<PathBuf>,
    /// Public keys (JWKS) that workload tokens are signed with
    #[arg(long, env = "LENO_WORKLOAD_JWKS", value_name = "FILE", requires = "source")]
    pub workload_jwks: Option<PathBuf>,
    /// Or the objects of a cluster, whose API server judges the tokens of workloads, too
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Follow Secrets, too, for the certificates and keys that policies name in them; it takes the right to read all of the cluster
    #[arg(long, env = "LENO_WATCH_SECRETS", requires = "kubernetes")]
    pub watch_secrets: bool,
}

/// Where objects come from, and who says what a workload's token is worth.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// Files, and keys of whoever wrote them.
    Directory {
        /// The directory of manifests.
        source: PathBuf,
        /// The keys of tokens.
        jwks: PathBuf,
    },
    /// A cluster.
    Cluster {
        /// Which.
        access: Access,
        /// What is followed of it.
        extent: Extent,
    },
}

impl PlaceArgs {
    pub(crate) fn place(&self) -> anyhow::Result<Place> {
        if let Some(access) = self.cluster.access() {
            return Ok(Place::Cluster { access, extent: Extent { secrets: self.watch_secrets } });
        }
        match (&self.source, &self.workload_jwks) {
            (Some(source), Some(jwks)) => Ok(Place::Directory { source: source.clone(), jwks: jwks.clone() }),
            _ => anyhow::bail!("--source with --workload-jwks, or --kubernetes, says where objects come from"),
        }
    }
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
        // A cluster may be long in coming.
        let running = tokio::select! {
            running = wire::start(&cli) => running?,
            signal = stop.wait() => {
                info!(signal, "stopped before it was ready");
                return Ok(());
            }
        };
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
