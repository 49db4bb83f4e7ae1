//! The whole plot: source → compiler → discovery, and the authority beside it.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use leno_ca::{
    Authority, CertificateService, Settings,
    attest::{Attestor, KubernetesAttestor, local::LocalAttestor},
};
use leno_kube::Cluster;
use leno_model::Snapshot;
use leno_runtime::{Drain, Drained, drain, task};
use leno_source::{Source, Status, file, kubernetes};
use leno_xds::server::{Ads, Limits};
use tokio::{net::TcpListener, sync::watch};
use tonic::transport::server::Router;
use tracing::{info, warn};

use crate::{
    admission, api,
    certificate::{self, Expiries},
    cli::{Cli, Place},
    discovery::Mesh,
    metric::{self, Metrics},
    push,
    ratelimit::RateLimits,
    serve,
};

/// The name by which an API server calls the Service of `deploy/webhook.yaml`.
const SERVICE: &str = "leno-control.leno-system.svc";
/// How long streams and requests may take to end.
const GRACE: Duration = Duration::from_secs(5);

/// What the ports are asked about. Clones share all of it.
#[derive(Clone, Debug)]
pub(crate) struct Control {
    pub(crate) mesh: Arc<Mesh>,
    pub(crate) ads: Ads<Mesh>,
    pub(crate) statuses: watch::Receiver<Arc<Status>>,
    pub(crate) expiries: Arc<Expiries>,
    pub(crate) metrics: Arc<Metrics>,
    /// Whether clients should be sent here.
    pub(crate) ready: Arc<AtomicBool>,
}

/// Where a control plane listens.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// Discovery, certificate signing and rate limits over TLS.
    pub xds: SocketAddr,
    /// Discovery in plaintext.
    pub plaintext_xds: SocketAddr,
    /// Metrics and health.
    pub metrics: SocketAddr,
    /// The JSON API.
    pub api: SocketAddr,
}

/// A control plane that runs.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub ports: Ports,
    control: Control,
    drain: Drain,
    /// Held because dropping it ends the watch on the objects.
    source: Source,
}

/// The listening sockets, bound before anything else is done, so that a port in use is told at once.
struct Sockets {
    xds: TcpListener,
    plaintext_xds: TcpListener,
    metrics: TcpListener,
    api: TcpListener,
    /// There is nobody who would ask without a cluster.
    webhook: Option<TcpListener>,
}

/// Starts a control plane: when this returns, it answers on every port.
///
/// # Errors
/// When the source cannot be read, a port is in use, or the authority cannot be opened.
pub async fn start(cli: &Cli) -> anyhow::Result<Running> {
    let place = cli.place.place()?;
    let sockets = Sockets::bind(cli, &place).await?;
    let ports = sockets.ports()?;
    let Origin { source, attestor, cluster } = Origin::of(place).await?;
    let first = source.snapshots().borrow().clone();
    let authority = leno_ca::store::file::open(&cli.ca_dir, &first.mesh.trust_domain)
        .with_context(|| format!("open the certificate authority in {}", cli.ca_dir.display()))?;
    let names = names(cli, cluster.is_some());
    let identity = certificate::own(&authority, &names, &first.mesh)?;
    let tls = identity.server_config(&["h2"]).context("configure TLS")?;
    let control = Control::new(&source, first, &authority.roots_pem());

    let (drain, drained) = drain::channel();
    let (settings_in, settings) = watch::channel(certificate::settings(&control.mesh.snapshot()));
    let own = certificate::Own { authority: Arc::new(authority), identity, names };
    let signing = control.signing(&own.authority, attestor, settings.clone());
    if let (Some(cluster), Some(socket)) = (cluster, sockets.webhook) {
        judge_objects(cluster, socket, &own, &source, &drained)?;
    }
    let push = push::Push { mesh: Arc::clone(&control.mesh), snapshots: source.snapshots(), settings: settings_in };
    task::spawn(push::run(push, drained.clone()));
    task::spawn(certificate::rotate(own, settings, drained.clone()));
    let counting = RateLimits::new(cli.redis.as_deref(), control.metrics.rate_limits(), Arc::clone(&control.mesh))?;
    let router = serve::grpc().add_service(control.ads.service()).add_service(signing.into_server());
    let router = router.add_service(counting.into_server());
    task::spawn(serve::over_tls(sockets.xds, tls, router, drained.clone()));
    let router = serve::grpc().add_service(control.ads.service());
    serve_plaintext(sockets.plaintext_xds, ports.plaintext_xds, router, drained.clone());
    task::spawn(serve::http(sockets.metrics, metric::router(control.clone()), drained.clone()));
    task::spawn(serve::http(sockets.api, api::router(control.clone()), drained));
    Ok(Running { ports, control, drain, source })
}

/// The names of the control plane's certificate. The API server of a cluster knows it by that of its Service.
fn names(cli: &Cli, of_cluster: bool) -> Vec<String> {
    let service = of_cluster.then(|| SERVICE.to_owned()).filter(|service| !cli.names.contains(service));
    cli.names.iter().cloned().chain(service).collect()
}

/// Where objects come from.
struct Origin {
    source: Source,
    /// Who judges the tokens of workloads.
    attestor: Attestor,
    /// The cluster that the objects are of.
    cluster: Option<Cluster>,
}

impl Origin {
    async fn of(place: Place) -> anyhow::Result<Self> {
        match place {
            Place::Directory { source, jwks } => {
                let attestor = Attestor::Local(LocalAttestor::new(jwks));
                Ok(Self { source: file::start(&source)?, attestor, cluster: None })
            }
            Place::Cluster { access, extent } => {
                let cluster = Cluster::new(&access).await?;
                info!(cluster = cluster.url(), "reading the objects of the cluster");
                let source = kubernetes::start(&cluster, extent).await;
                Ok(Self {
                    source,
                    attestor: Attestor::Kubernetes(KubernetesAttestor::new(cluster.clone())),
                    cluster: Some(cluster),
                })
            }
        }
    }
}

/// Judges the objects of a cluster before they are stored.
fn judge_objects(
    cluster: Cluster,
    socket: TcpListener,
    own: &certificate::Own,
    source: &Source,
    drained: &Drained,
) -> anyhow::Result<()> {
    let tls = own.identity.server_config(&["http/1.1"]).context("configure TLS")?;
    let router = admission::router(source.objects());
    task::spawn(serve::http_over_tls(socket, tls, router, drained.clone()));
    task::spawn(admission::be_trusted(cluster, own.authority.roots_pem(), drained.clone()));
    Ok(())
}

impl Control {
    fn new(source: &Source, first: Arc<Snapshot>, roots_pem: &str) -> Self {
        let metrics = Arc::new(Metrics::new());
        let expiries: Arc<Expiries> = Arc::default();
        let mesh = Arc::new(Mesh::new(first, roots_pem, Arc::clone(&expiries)));
        let ads = Ads::new(Arc::clone(&mesh), Arc::clone(&metrics) as _, Limits::default());
        Self { mesh, ads, statuses: source.statuses(), expiries, metrics, ready: Arc::new(AtomicBool::new(true)) }
    }

    /// The service that signs the certificates of workloads.
    fn signing(
        &self,
        authority: &Arc<Authority>,
        attestor: Attestor,
        settings: watch::Receiver<Settings>,
    ) -> CertificateService {
        let observer = certificate::observer(Arc::clone(&self.metrics), Arc::clone(&self.expiries));
        CertificateService::new(Arc::clone(authority), Arc::new(attestor), settings, observer)
    }
}

fn serve_plaintext(socket: TcpListener, address: SocketAddr, router: Router, drained: Drained) {
    if !address.ip().is_loopback() {
        warn!(%address, "discovery in plaintext is open to others than this machine: every node is taken at its word");
    }
    task::spawn(serve::in_plaintext(socket, router, drained));
}

impl Running {
    /// Stops: clients are told to go elsewhere, what is in flight may finish, for a bounded time.
    pub async fn stop(self) {
        let Self { control, drain, source, .. } = self;
        control.ready.store(false, Ordering::Relaxed);
        control.ads.close();
        drain.start();
        if !drain.finish(GRACE).await {
            warn!("some connections did not end in time");
        }
        drop(source);
    }
}

impl Sockets {
    async fn bind(cli: &Cli, place: &Place) -> anyhow::Result<Self> {
        let webhook = match place {
            Place::Directory { .. } => None,
            Place::Cluster { .. } => Some(bind(cli.webhook_address, "--webhook-address").await?),
        };
        Ok(Self {
            xds: bind(cli.xds_address, "--xds-address").await?,
            plaintext_xds: bind(cli.plaintext_xds_address, "--plaintext-xds-address").await?,
            metrics: bind(cli.metrics_address, "--metrics-address").await?,
            api: bind(cli.api_address, "--api-address").await?,
            webhook,
        })
    }

    fn ports(&self) -> anyhow::Result<Ports> {
        Ok(Ports {
            xds: self.xds.local_addr()?,
            plaintext_xds: self.plaintext_xds.local_addr()?,
            metrics: self.metrics.local_addr()?,
            api: self.api.local_addr()?,
        })
    }
}

async fn bind(address: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("listen on {address} ({flag})"))
}
