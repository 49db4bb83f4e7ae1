//! `leno-proxy run`: the whole process, in the order in which things happen.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32},
    },
    time::Instant,
};

use anyhow::Context as _;
use clap::Args;
use leno_model::{ServiceAccountName, SpiffeId, TrustDomain};
use leno_proto::v3::core::Node;
use leno_runtime::{Drain, LogLevel, memory, task};
use leno_xds::client::{self, Backoff, Config};
use tokio::sync::Notify;

use super::process::{self, ProcessArgs};
use crate::{
    admin::{Admin, application::Application, serve},
    config::WorkloadLabels,
    dial,
    discovery::{Lookup, cache::Cache, control_plane::ControlPlane, run::Discovery, store::Store},
    identity::{Credentials, renew},
    settings::{Entrance, Limits, Settings},
    telemetry::access_log::AccessLog,
    worker::Shared,
};

/// The mark of outbound connections: "LENO".
pub const DEFAULT_MARK: u32 = 0x4c45_4e4f;

/// Who the workload is, where the control plane is, and what is bounded.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// The pod's name
    #[arg(long, env = "LENO_WORKLOAD_NAME")]
    workload_name: String,
    /// The pod's namespace
    #[arg(long, env = "LENO_WORKLOAD_NAMESPACE")]
    workload_namespace: String,
    /// The pod's service account
    #[arg(long, env = "LENO_SERVICE_ACCOUNT", default_value = "default")]
    service_account: String,
    /// The name of what made the pod (Deployment, StatefulSet…); the pod's own when there is nothing
    #[arg(long, env = "LENO_OWNER")]
    owner: Option<String>,
    /// The pod's addresses
    #[arg(long, env = "LENO_WORKLOAD_IP", value_delimiter = ',', required = true)]
    workload_ip: Vec<IpAddr>,
    /// The control plane, host:port
    #[arg(long, env = "LENO_CONTROL_ADDRESS")]
    control_address: String,
    /// The roots (PEM file) that the control plane is verified against
    #[arg(long, env = "LENO_CONTROL_CA")]
    control_ca: PathBuf,
    /// The DNS name that the control plane's certificate must have
    #[arg(long, env = "LENO_CONTROL_NAME", default_value = "leno-control")]
    control_name: String,
    /// The file with the workload's token, read at each renewal
    #[arg(long, env = "LENO_TOKEN_FILE")]
    token_file: PathBuf,
    /// The trust domain that the signing request names; the certificate authority decides
    #[arg(long, env = "LENO_TRUST_DOMAIN", default_value = "cluster.local")]
    trust_domain: String,
    /// Where received configuration is kept for a restart while the control plane is away; nowhere without it
    #[arg(long, env = "LENO_STATE_DIR")]
    state_dir: Option<PathBuf>,
    /// The port that outbound connections are redirected to
    #[arg(long, env = "LENO_OUTBOUND_PORT", default_value_t = 15001)]
    outbound_port: u16,
    /// The port that inbound connections are redirected to
    #[arg(long, env = "LENO_INBOUND_PORT", default_value_t = 15006)]
    inbound_port: u16,
    /// Where the admin interface listens; loopback only
    #[arg(long, env = "LENO_ADMIN_ADDRESS", default_value = "127.0.0.1:15000", value_parser = loopback)]
    admin_address: SocketAddr,
    /// Where metrics and readiness listen
    #[arg(long, env = "LENO_METRICS_ADDRESS", default_value = "0.0.0.0:15020")]
    metrics_address: SocketAddr,
    /// The mark of outbound connections; 0 sets none, for redirection by uid
    #[arg(long, env = "LENO_MARK", default_value_t = DEFAULT_MARK)]
    mark: u32,
    /// The application's own port of metrics, to be merged with the sidecar's
    #[arg(long, env = "LENO_APP_METRICS_PORT")]
    app_metrics_port: Option<u16>,
    /// The path of the application's metrics
    #[arg(long, env = "LENO_APP_METRICS_PATH", default_value = "/metrics")]
    app_metrics_path: String,
    #[command(flatten)]
    process: ProcessArgs,
}

/// An address that only this machine (or pod) reaches.
pub(super) fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|_| "expected address:port".to_owned())?;
    if !address.ip().is_loopback() {
        return Err("expected a loopback address: whoever reaches the admin interface can end the process".to_owned());
    }
    Ok(address)
}

/// Runs until a signal, or `/drain`, ends it.
pub(super) fn run(args: &RunArgs) -> anyhow::Result<()> {
    process::run(&args.process, async |log, drain| {
        let admin = start(args, log, drain).await?;
        memory::give_back();
        tracing::info!(workload = %args.workload_name, namespace = %args.workload_namespace, "listening");
        Ok(admin)
    })
}

/// Starts everything; returns once every socket listens.
async fn start(args: &RunArgs, log: LogLevel, drain: &Drain) -> anyhow::Result<Arc<Admin>> {
    let settings = settings(args);
    if let Some(mark) = settings.mark {
        dial::may_mark(mark).context(
            "cannot mark connections, so that they would be redirected for ever: CAP_NET_ADMIN is needed (or --mark 0 \
             with redirection by user id)",
        )?;
    }
    let credentials = Arc::<Credentials>::default();
    let control = ControlPlane {
        address: args.control_address.clone(),
        name: args.control_name.clone(),
        ca_file: args.control_ca.clone(),
        mark: settings.mark,
    };
    renew_certificate(args, &control, &credentials)?;
    let config = discover(args, control, &credentials)?;
    let access_log = AccessLog::start(std::io::stdout())?;
    let connections = AtomicU32::new(0);
    let shared = Arc::new(Shared { settings, credentials, config, access_log, connections });
    let workers = process::workers(&shared, args.process.concurrency, drain)
        .await
        .with_context(|| format!("cannot listen on {} and {}", args.outbound_port, args.inbound_port))?;
    let application = args.app_metrics_port.map(|port| Application { port, path: args.app_metrics_path.clone() });
    let (stop, draining) = (Notify::new(), AtomicBool::new(false));
    let admin = Arc::new(Admin { shared, workers, log, application, stop, draining, started: Instant::now() });
    serve::start(args.admin_address, Arc::clone(&admin), Admin::private)
        .await
        .with_context(|| format!("cannot listen on {}", args.admin_address))?;
    serve::start(args.metrics_address, Arc::clone(&admin), Admin::public)
        .await
        .with_context(|| format!("cannot listen on {}", args.metrics_address))?;
    Ok(admin)
}

/// What does not change while the process runs.
fn settings(args: &RunArgs) -> Settings {
    let id = identity(args, TrustDomain::new(args.trust_domain.clone()).unwrap_or_default());
    let workload = WorkloadLabels {
        workload: args.owner.as_ref().unwrap_or(&args.workload_name).as_str().into(),
        pod: args.workload_name.as_str().into(),
        namespace: args.workload_namespace.as_str().into(),
        identity: id.to_string().into(),
    };
    Settings {
        workload: Arc::new(workload),
        workload_ips: args.workload_ip.clone(),
        entrance: Entrance::Redirected { outbound: args.outbound_port, inbound: args.inbound_port },
        mark: (args.mark != 0).then_some(args.mark),
        limits: Limits::for_process(args.process.max_connections),
    }
}

/// Who the workload is.
fn identity(args: &RunArgs, trust_domain: TrustDomain) -> SpiffeId {
    let account = ServiceAccountName::new(&args.workload_namespace, &args.service_account);
    SpiffeId::new(trust_domain, account)
}

/// Starts to get and renew the certificate.
fn renew_certificate(args: &RunArgs, control: &ControlPlane, credentials: &Arc<Credentials>) -> anyhow::Result<()> {
    let trust_domain = TrustDomain::new(args.trust_domain.clone()).context("--trust-domain")?;
    let id = identity(args, trust_domain);
    let control = control.clone();
    // Fails early when the roots are not there; renewals read them again.
    control.channel(None).map_err(anyhow::Error::from_boxed)?;
    let connect = move || control.channel(None);
    let workload = args.owner.as_ref().unwrap_or(&args.workload_name).clone();
    task::spawn(renew::run(Arc::clone(credentials), connect, args.token_file.clone(), id, workload));
    Ok(())
}

/// Starts to get configuration.
fn discover(args: &RunArgs, control: ControlPlane, credentials: &Arc<Credentials>) -> anyhow::Result<Lookup> {
    let cache = Cache::open(args.state_dir.as_deref()).context("cannot use the state directory")?;
    let store = Store::new(Arc::clone(credentials), control.clone());
    let (lookup, questions) = Lookup::new(Arc::clone(store.inbound()), Arc::clone(store.outbound()));
    let discovery = Discovery::new(store, cache);
    let credentials = Arc::clone(credentials);
    let connector = move || -> futures_util::future::BoxFuture<'static, _> {
        let (control, credentials) = (control.clone(), Arc::clone(&credentials));
        // The stream shows who we are: it waits for the first certificate.
        Box::pin(async move { control.channel(Some(credentials.wait().await)) })
    };
    let node = Node {
        id: format!("{}/{}", args.workload_namespace, args.workload_name),
        cluster: args.owner.clone().unwrap_or_else(|| args.workload_name.clone()),
        user_agent_name: "leno-proxy".into(),
        ..Node::default()
    };
    let backoff = Backoff::default();
    let manner = client::Manner::default();
    let config = Config { node, connector: Arc::new(connector), backoff, held: Vec::new(), manner };
    let handler = discovery.clone();
    let (handle, client) = client::client(config, move |update| handler.apply(update));
    task::spawn(client.run());
    task::spawn(discovery.follow(handle, questions));
    Ok(lookup)
}
