//! `leno-proxy --config-path FILE`: the proxy from a file in Envoy's format.

use std::{
    io::Write as _,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::Args;
use leno_proto::v3::core::{Node, node::UserAgentVersionType};
use leno_runtime::{Drain, LogLevel, memory, task};
use tokio::sync::{Notify, watch};

use super::process::{self, ProcessArgs};
use crate::{
    admin::{Admin, serve},
    bootstrap::{self, Bootstrap},
    config::{DrainRules, DrainStrategy, WorkloadLabels},
    discovery::{Lookup, cache::Cache, run::Discovery, source, store::Store, whole::Whole},
    settings::{Entrance, Limits, Settings},
    telemetry::access_log::AccessLog,
    worker::Shared,
};

/// Which file, and how the process runs.
#[derive(Args, Clone, Debug)]
pub struct FileArgs {
    /// A configuration in Envoy's format (bootstrap v3, YAML or JSON)
    #[arg(long, short = 'c')]
    config_path: Option<PathBuf>,
    /// Only say whether the file can be used
    #[arg(long)]
    validate: bool,
    /// After how long the connections of a listener that was removed or changed are closed, in seconds
    #[arg(long, env = "LENO_DRAIN_TIME_S", default_value_t = 600)]
    drain_time_s: u32,
    /// How fast such connections are asked to end
    #[arg(long, env = "LENO_DRAIN_STRATEGY", value_enum, default_value_t)]
    drain_strategy: DrainStrategy,
    #[command(flatten)]
    process: ProcessArgs,
}

impl FileArgs {
    /// Runs until a signal, or `/drain`, ends it.
    ///
    /// # Errors
    /// What is wrong with the file, or why it cannot be run.
    pub fn run(self) -> anyhow::Result<()> {
        leno_runtime::init::crypto();
        let path =
            self.config_path.clone().context("say what to run: --config-path FILE, or a command (see --help)")?;
        let bootstrap = bootstrap::load(&path)?;
        if self.validate {
            return Ok(writeln!(std::io::stdout(), "{} can be used", path.display())?);
        }
        process::run(&self.process, async |log, drain| start(&self, bootstrap, log, drain).await)
    }
}

impl FileArgs {
    /// How connections of listeners that are there no more are let go of.
    fn drain(&self) -> DrainRules {
        DrainRules { time: Duration::from_secs(self.drain_time_s.into()), strategy: self.drain_strategy }
    }
}

/// Starts everything; returns once every socket listens.
async fn start(args: &FileArgs, bootstrap: Bootstrap, log: LogLevel, drain: &Drain) -> anyhow::Result<Arc<Admin>> {
    let Bootstrap { node, admin, fixed, dynamic, credentials } = bootstrap;
    let count = fixed.bound().len();
    let (doors, listening) = watch::channel(fixed.bound().into());
    let credentials = Arc::new(credentials);
    let whole = Whole::new(fixed, &dynamic, args.drain(), doors);
    let store = Store::whole(whole, Arc::clone(&credentials));
    let (workload, pod) = (node.cluster.as_str().into(), node.id.as_str().into());
    let workload = WorkloadLabels { workload, pod, ..WorkloadLabels::default() };
    let settings = Settings {
        workload: Arc::new(workload),
        workload_ips: Vec::new(),
        entrance: Entrance::Bound(listening),
        mark: None,
        limits: Limits::for_process(args.process.max_connections),
    };
    let (config, questions) = Lookup::new(Arc::clone(store.inbound()), Arc::clone(store.outbound()));
    let discovery = Discovery::new(store, Cache::default());
    let streams = source::start(dynamic, &known_as(node), &discovery).await;
    task::spawn(discovery.run(streams, questions));
    let access_log = AccessLog::start(std::io::stdout())?;
    let connections = AtomicU32::new(0);
    let shared = Arc::new(Shared { settings, credentials, config, access_log, connections });
    let workers = process::workers(&shared, args.process.concurrency, drain).await;
    let workers = workers.context("cannot listen at the address of a listener")?;
    let (stop, draining) = (Notify::new(), AtomicBool::new(false));
    let shown = Arc::new(Admin { shared, workers, log, application: None, stop, draining, started: Instant::now() });
    if let Some(address) = admin {
        serve::start(address, Arc::clone(&shown), Admin::private)
            .await
            .with_context(|| format!("cannot listen on {address}"))?;
    }
    // Reading the file took many times what is left of it.
    memory::give_back();
    tracing::info!(listeners = count, "listening");
    Ok(shown)
}

/// Who asks a control plane, and what with.
fn known_as(node: Node) -> Node {
    let version = UserAgentVersionType::UserAgentVersion(env!("CARGO_PKG_VERSION").into());
    Node { user_agent_name: "leno-proxy".into(), user_agent_version_type: Some(version), ..node }
}
