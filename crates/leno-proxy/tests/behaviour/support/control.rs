//! A control plane for tests: signs certificates and serves the resources that it is given.

use std::{
    collections::HashMap,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures_util::stream;
use leno_model::SpiffeId;
use leno_proto::{
    any,
    google::protobuf::Any,
    istio::v1::auth::{
        IstioCertificateRequest, IstioCertificateResponse,
        istio_certificate_service_server::{IstioCertificateService, IstioCertificateServiceServer},
    },
    v3::{
        cluster as cluster_proto, core, endpoint, listener as listener_proto, tcp_proxy as tcp_proxy_proto,
        tls as tls_proto,
    },
};
use leno_tls::{Credential, PrivateKey, ServerIdentity, csr};
use leno_xds::{
    Resource, ResourceType,
    server::{Ads, Change, ChangeFeed, Limits, ResourceSource, View},
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_rustls::TlsAcceptor;
use tonic::{Request, Response, Status, transport::Server};

use super::{Authority, id};

type Resources = HashMap<(ResourceType, String), Any>;

/// What is served.
#[derive(Default)]
pub struct Source {
    resources: Mutex<Resources>,
    feed: ChangeFeed<Anything>,
    refused: Mutex<Vec<String>>,
}

pub struct Snapshot(Resources);

impl ResourceSource for Source {
    type Client = ();
    type View = Snapshot;
    type Change = Anything;

    fn admit(&self, _: &core::Node, _: &tonic::Extensions) -> Result<(), Status> {
        Ok(())
    }

    fn view(&self) -> Snapshot {
        Snapshot(self.resources.lock().unwrap().clone())
    }

    fn feed(&self) -> &ChangeFeed<Anything> {
        &self.feed
    }
}

impl View<()> for Snapshot {
    fn version(&self) -> String {
        String::new()
    }

    fn resource(&self, _: &(), kind: ResourceType, name: &str) -> Option<Resource> {
        self.0.get(&(kind, name.to_owned())).map(|body| Resource::new(name, body.clone()))
    }

    fn names(&self, _: &(), _: ResourceType) -> Vec<Arc<str>> {
        Vec::new()
    }
}

/// Anything may have changed.
pub struct Anything;

impl Change<()> for Anything {
    fn touches(&self, _: &(), _: ResourceType, _: &str) -> bool {
        true
    }

    fn touches_names(&self, _: &(), _: ResourceType) -> bool {
        true
    }
}

/// Notes what is refused.
struct Observer(Arc<Source>);

impl leno_xds::server::Observer for Observer {
    fn sent(&self, _: ResourceType, _: usize, _: usize) {}

    fn acknowledged(&self, _: ResourceType, _: Option<Duration>) {}

    fn refused(&self, _: ResourceType, message: &str) {
        self.0.refused.lock().unwrap().push(message.to_owned());
    }
}

/// Signs certificates for one account.
#[derive(Clone)]
struct Signer {
    authority: Arc<Authority>,
    id: SpiffeId,
    lifetime: Duration,
    signed: Arc<AtomicU32>,
}

#[tonic::async_trait]
impl IstioCertificateService for Signer {
    async fn create_certificate(
        &self,
        request: Request<IstioCertificateRequest>,
    ) -> Result<Response<IstioCertificateResponse>, Status> {
        if request.metadata().get("authorization").is_none_or(|token| token != "Bearer the-token") {
            return Err(Status::unauthenticated("bad token"));
        }
        self.signed.fetch_add(1, Ordering::Relaxed);
        let leaf = self.authority.sign(&request.get_ref().csr, &self.id, self.lifetime);
        Ok(Response::new(IstioCertificateResponse { cert_chain: vec![leaf, self.authority.pem()] }))
    }
}

/// A control plane.
pub struct Control {
    pub address: SocketAddr,
    pub folder: tempfile::TempDir,
    source: Arc<Source>,
    signer: Signer,
    server: JoinHandle<()>,
}

impl Control {
    /// One that signs for `account` certificates that live this long.
    pub async fn start(account: &str, lifetime: Duration) -> Self {
        let authority = Arc::new(Authority::new());
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("root.pem"), authority.pem()).unwrap();
        std::fs::write(folder.path().join("token"), "the-token\n").unwrap();
        let signer = Signer { authority, id: id(account), lifetime, signed: Arc::default() };
        let source = Arc::<Source>::default();
        let (address, server) = serve("127.0.0.1:0".parse().unwrap(), &signer, &source).await;
        let control = Self { address, folder, source, signer, server };
        control.set(ResourceType::Secret, "trust-bundle", &trust_bundle(&control.signer.authority.pem()));
        control
    }

    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("root.pem")
    }

    pub fn token_file(&self) -> PathBuf {
        self.folder.path().join("token")
    }

    pub fn signed(&self) -> u32 {
        self.signer.signed.load(Ordering::Relaxed)
    }

    pub fn refused(&self) -> Vec<String> {
        self.source.refused.lock().unwrap().clone()
    }

    pub fn set<M: prost::Message + prost::Name>(&self, kind: ResourceType, name: &str, message: &M) {
        self.source.resources.lock().unwrap().insert((kind, name.to_owned()), any::pack(message));
        self.source.feed.publish(Anything);
    }

    pub fn remove(&self, kind: ResourceType, name: &str) {
        self.source.resources.lock().unwrap().remove(&(kind, name.to_owned()));
        self.source.feed.publish(Anything);
    }

    /// Goes away, streams included.
    pub async fn stop(&mut self) {
        self.server.abort();
        drop((&mut self.server).await);
    }

    /// Comes back at the same address.
    pub async fn resume(&mut self) {
        self.server = serve(self.address, &self.signer, &self.source).await.1;
    }
}

async fn serve(address: SocketAddr, signer: &Signer, source: &Arc<Source>) -> (SocketAddr, JoinHandle<()>) {
    let key = PrivateKey::generate().unwrap();
    let request = csr::server(&key, "leno-control").unwrap();
    let chain = signer.authority.sign_server(&request, "leno-control");
    let credential = Credential::new(&key, &chain).unwrap();
    let identity = ServerIdentity::new(credential, signer.authority.bundle(&signer.id));
    let acceptor = TlsAcceptor::from(identity.server_config(&["h2"]).unwrap());
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    let incoming = stream::unfold((listener, acceptor), |(listener, acceptor)| async {
        let (stream, _) = listener.accept().await.unwrap();
        Some((acceptor.accept(stream).await, (listener, acceptor)))
    });
    let observer = Arc::new(Observer(Arc::clone(source)));
    let ads = Ads::new(Arc::clone(source), observer, Limits::default());
    let server = Server::builder()
        .add_service(IstioCertificateServiceServer::new(signer.clone()))
        .add_service(ads.service())
        .serve_with_incoming(incoming);
    (address, leno_runtime::task::spawn(async { drop(server.await) }))
}

fn trust_bundle(pem: &str) -> tls_proto::Secret {
    let source = core::DataSource {
        specifier: Some(core::data_source::Specifier::InlineBytes(pem.as_bytes().to_vec())),
        ..core::DataSource::default()
    };
    let context = tls_proto::CertificateValidationContext {
        trusted_ca: Some(source),
        ..tls_proto::CertificateValidationContext::default()
    };
    tls_proto::Secret { name: "trust-bundle".into(), r#type: Some(tls_proto::secret::Type::ValidationContext(context)) }
}

/// A listener that passes bytes to a cluster.
pub fn tcp_listener(name: &str, cluster: &str) -> listener_proto::Listener {
    let proxy = tcp_proxy_proto::TcpProxy {
        stat_prefix: cluster.into(),
        cluster_specifier: Some(tcp_proxy_proto::tcp_proxy::ClusterSpecifier::Cluster(cluster.into())),
        ..tcp_proxy_proto::TcpProxy::default()
    };
    let filter = listener_proto::Filter {
        name: "envoy.filters.network.tcp_proxy".into(),
        config_type: Some(listener_proto::filter::ConfigType::TypedConfig(any::pack(&proxy))),
    };
    let chain = listener_proto::FilterChain { filters: vec![filter], ..listener_proto::FilterChain::default() };
    listener_proto::Listener {
        name: name.into(),
        default_filter_chain: Some(chain),
        ..listener_proto::Listener::default()
    }
}

/// A cluster of original destinations.
pub fn original_dst_cluster(name: &str) -> cluster_proto::Cluster {
    cluster_proto::Cluster {
        name: name.into(),
        lb_policy: cluster_proto::cluster::LbPolicy::ClusterProvided.into(),
        cluster_discovery_type: Some(cluster_proto::cluster::ClusterDiscoveryType::Type(
            cluster_proto::cluster::DiscoveryType::OriginalDst.into(),
        )),
        ..cluster_proto::Cluster::default()
    }
}

/// A cluster whose endpoints come by name.
pub fn eds_cluster(name: &str) -> cluster_proto::Cluster {
    let ads = core::ConfigSource {
        config_source_specifier: Some(core::config_source::ConfigSourceSpecifier::Ads(
            core::AggregatedConfigSource::default(),
        )),
        resource_api_version: core::ApiVersion::V3.into(),
        ..core::ConfigSource::default()
    };
    cluster_proto::Cluster {
        name: name.into(),
        cluster_discovery_type: Some(cluster_proto::cluster::ClusterDiscoveryType::Type(
            cluster_proto::cluster::DiscoveryType::Eds.into(),
        )),
        eds_cluster_config: Some(cluster_proto::cluster::EdsClusterConfig {
            eds_config: Some(ads),
            service_name: name.into(),
        }),
        ..cluster_proto::Cluster::default()
    }
}

/// The endpoints of a cluster.
pub fn load_assignment(name: &str, addresses: &[SocketAddr]) -> endpoint::ClusterLoadAssignment {
    let of = |address: &SocketAddr| {
        let socket = core::SocketAddress {
            address: address.ip().to_string(),
            port_specifier: Some(core::socket_address::PortSpecifier::PortValue(address.port().into())),
            ..core::SocketAddress::default()
        };
        let address = core::Address { address: Some(core::address::Address::SocketAddress(socket)) };
        let endpoint = endpoint::Endpoint { address: Some(address), ..endpoint::Endpoint::default() };
        endpoint::LbEndpoint {
            host_identifier: Some(endpoint::lb_endpoint::HostIdentifier::Endpoint(endpoint)),
            ..endpoint::LbEndpoint::default()
        }
    };
    let all = endpoint::LocalityLbEndpoints {
        lb_endpoints: addresses.iter().map(of).collect(),
        ..endpoint::LocalityLbEndpoints::default()
    };
    endpoint::ClusterLoadAssignment {
        cluster_name: name.into(),
        endpoints: vec![all],
        ..endpoint::ClusterLoadAssignment::default()
    }
}

/// What every sidecar wants.
pub fn base(control: &Control) {
    control.set(ResourceType::Listener, "inbound", &tcp_listener("inbound", "inbound"));
    control.set(ResourceType::Listener, "outbound", &tcp_listener("outbound", "passthrough"));
    for name in ["inbound", "passthrough"] {
        control.set(ResourceType::Cluster, name, &original_dst_cluster(name));
    }
}
