//! A control plane on ports of its own, with files that the tests write, and clients as proxies have them.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use clap::Parser;
use leno_ca::attest::token::TokenIssuer;
use leno_control::{
    cli::Cli,
    wire::{self, Running},
};
use leno_model::{ServiceAccountName, SpiffeId, TrustDomain, WorkloadName};
use leno_proto::{
    istio::v1::auth::{IstioCertificateRequest, istio_certificate_service_client::IstioCertificateServiceClient},
    v3::core::Node,
};
use leno_tls::{Identity, PrivateKey, Svid, TrustBundle, config::dns_client, csr};
use leno_xds::{
    ResourceType,
    client::{self, Backoff, Config, Handle, Update},
};
use rustls::pki_types::ServerName;
use tempfile::TempDir;
use tokio::{net::TcpStream, sync::mpsc};
use tokio_rustls::TlsConnector;
use tonic::{
    Request, Status,
    codegen::http::Uri,
    metadata::MetadataValue,
    transport::{Channel, Endpoint},
};

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    cli: Cli,
}

/// A control plane.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) running: Running,
    pub(crate) tokens: TokenIssuer,
    cli: Cli,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With further flags.
    pub(crate) async fn with(flags: &[&str]) -> Self {
        Self::try_with(flags).await.unwrap()
    }

    pub(crate) async fn try_with(more: &[&str]) -> anyhow::Result<Self> {
        leno_runtime::init::crypto();
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("source")).unwrap();
        let tokens = TokenIssuer::generate().unwrap();
        fs::write(folder.path().join("jwks.json"), tokens.jwks().unwrap()).unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let any = "127.0.0.1:0";
        let flags = [
            ("--source", path("source")),
            ("--ca-dir", path("ca")),
            ("--workload-jwks", path("jwks.json")),
            ("--xds-address", any.into()),
            ("--plaintext-xds-address", any.into()),
            ("--metrics-address", any.into()),
            ("--api-address", any.into()),
        ];
        let flags = flags.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]);
        let flags = flags.chain(more.iter().map(|flag| (*flag).to_owned()));
        let cli = Program::parse_from(std::iter::once("control".to_owned()).chain(flags)).cli;
        write(folder.path(), "base", BASE);
        let running = wire::start(&cli).await?;
        Ok(Self { folder, running, tokens, cli })
    }

    /// Stops it and starts it anew, on the same port.
    pub(crate) async fn restart(self) -> Self {
        let Self { folder, running, tokens, mut cli } = self;
        cli.xds_address = running.ports.xds;
        running.stop().await;
        let running = wire::start(&cli).await.unwrap();
        Self { folder, running, tokens, cli }
    }

    pub(crate) fn write(&self, name: &str, manifests: &str) {
        write(self.folder.path(), name, manifests);
    }

    pub(crate) fn delete(&self, name: &str) {
        fs::remove_file(self.folder.path().join("source").join(format!("{name}.yaml"))).unwrap();
    }

    pub(crate) fn root_pem(&self) -> String {
        fs::read_to_string(self.folder.path().join("ca/root.pem")).unwrap()
    }

    pub(crate) fn token(&self, pod: &str, account: &str) -> String {
        self.token_in("shop", pod, account)
    }

    fn token_in(&self, namespace: &str, pod: &str, account: &str) -> String {
        let (pod, account) = (WorkloadName::new(namespace, pod), ServiceAccountName::new(namespace, account));
        self.tokens.sign(&pod, &account, Duration::from_secs(600), SystemTime::now()).unwrap()
    }

    /// A connection to the TLS port, with a client certificate or without.
    pub(crate) async fn channel(&self, identity: Option<&Identity>) -> Channel {
        connect(self.running.ports.xds, &self.root_pem(), identity.cloned()).await.unwrap()
    }

    /// Asks for a certificate as a proxy does.
    pub(crate) async fn certificate(&self, pod: &str, account: &str) -> Identity {
        self.certificate_in("shop", pod, account).await
    }

    pub(crate) async fn certificate_in(&self, namespace: &str, pod: &str, account: &str) -> Identity {
        let key = PrivateKey::generate().unwrap();
        let chain = self.sign(&key, &self.token_in(namespace, pod, account)).await.unwrap();
        let svid = Svid::new(&key, &chain.concat()).unwrap();
        Identity::new(svid, TrustBundle::from_pem(TrustDomain::default(), &chain[1]).unwrap()).unwrap()
    }

    pub(crate) async fn sign(&self, key: &PrivateKey, token: &str) -> Result<Vec<String>, Status> {
        let id = SpiffeId::new(TrustDomain::default(), ServiceAccountName::new("some", "body-else"));
        let csr = csr::workload(key, &id).unwrap();
        let mut request = Request::new(IstioCertificateRequest { csr, validity_duration: 0, metadata: None });
        let bearer = MetadataValue::try_from(format!("Bearer {token}")).unwrap();
        request.metadata_mut().insert("authorization", bearer);
        let mut client = IstioCertificateServiceClient::new(self.channel(None).await);
        Ok(client.create_certificate(request).await?.into_inner().cert_chain)
    }

    /// A proxy with a certificate that subscribes to what the test says.
    pub(crate) async fn proxy(&self, pod: &str, account: &str) -> Proxy {
        let identity = self.certificate(pod, account).await;
        Proxy::start(self, &format!("shop/{pod}"), Some(identity))
    }

    pub(crate) async fn get(&self, path: &str) -> serde_json::Value {
        let (head, body) = get(self.running.ports.api, path).await.unwrap();
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {head}\n{body}"))
    }

    pub(crate) async fn metrics(&self) -> String {
        get(self.running.ports.metrics, "/metrics").await.unwrap().1
    }
}

/// Head and body of an answer; `None` when there is none.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Option<(String, String)> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut text = String::new();
    stream.take(10 << 20).read_to_string(&mut text).await.ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    Some((head.to_owned(), body.to_owned()))
}

/// Writes a file of manifests as the runner does: whole or not at all.
fn write(folder: &Path, name: &str, manifests: &str) {
    let path = folder.join("source").join(format!("{name}.yaml"));
    let temporary = folder.join(format!("{name}.new"));
    fs::write(&temporary, manifests).unwrap();
    fs::rename(temporary, path).unwrap();
}

async fn connect(
    address: SocketAddr,
    root_pem: &str,
    identity: Option<Identity>,
) -> Result<Channel, client::ConnectError> {
    let tls = TlsConnector::from(dns_client(root_pem, identity.as_ref(), &["h2"])?);
    let connector = tower::service_fn(move |_: Uri| {
        let tls = tls.clone();
        async move {
            let stream = TcpStream::connect(address).await?;
            let name = ServerName::try_from("leno-control").unwrap();
            std::io::Result::Ok(hyper_util::rt::TokioIo::new(tls.connect(name, stream).await?))
        }
    });
    Ok(client::tune(Endpoint::from_static("http://leno-control")).connect_with_connector(connector).await?)
}

/// A discovery client.
pub(crate) struct Proxy {
    pub(crate) handle: Handle,
    updates: mpsc::Receiver<Update>,
}

impl Proxy {
    #[expect(clippy::disallowed_methods, reason = "the test's own runtime")]
    pub(crate) fn start(world: &World, node: &str, identity: Option<Identity>) -> Self {
        let (updates_in, updates) = mpsc::channel(1_000);
        let (address, root) = (world.running.ports.xds, world.root_pem());
        let config = Config {
            node: Node { id: node.into(), user_agent_name: "leno-proxy".into(), ..Node::default() },
            connector: Arc::new(move || {
                let (root, identity) = (root.clone(), identity.clone());
                Box::pin(async move { connect(address, &root, identity).await })
            }),
            backoff: Backoff::new(Duration::from_millis(20), Duration::from_millis(100)),
            held: Vec::new(),
            manner: client::Manner::default(),
        };
        let (handle, client) = client::client(config, move |update| {
            updates_in.try_send(update).unwrap();
            Ok(())
        });
        tokio::spawn(client.run());
        Self { handle, updates }
    }

    pub(crate) async fn subscribe(&self, resource_type: ResourceType, names: &[&str]) {
        self.handle.subscribe(resource_type, names.iter().copied()).await.unwrap();
    }

    pub(crate) async fn next(&mut self) -> Update {
        within("an update", self.updates.recv()).await.unwrap()
    }

    /// The names of the next update, and those that it removes.
    pub(crate) async fn names(&mut self) -> (Vec<String>, Vec<String>) {
        let update = self.next().await;
        let updated = update.resources.iter().map(|resource| resource.name.to_string()).collect();
        (updated, update.removed.iter().map(ToString::to_string).collect())
    }

    /// Whether nothing comes.
    pub(crate) async fn silent(&mut self) -> bool {
        tokio::time::timeout(Duration::from_millis(300), self.updates.recv()).await.is_err()
    }
}

pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.unwrap_or_else(|_| panic!("in time: {what}"))
}

/// A shop with a cart of two pods.
const BASE: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {leno.dev/inject: enabled}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: cart, namespace: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: cart-5, namespace: shop, labels: {app: cart}}
spec:
  serviceAccountName: cart
  containers: [{name: c, image: x, ports: [{containerPort: 9090}]}]
status:
  phase: Running
  podIP: 10.244.0.5
  podIPs: [{ip: 10.244.0.5}]
  conditions: [{type: Ready, status: "True"}]
---
apiVersion: v1
kind: Pod
metadata: {name: cart-6, namespace: shop, labels: {app: cart}}
spec: {serviceAccountName: cart, containers: [{name: c, image: x}]}
status: {phase: Running, podIP: 10.244.0.6, podIPs: [{ip: 10.244.0.6}], conditions: [{type: Ready, status: "True"}]}
---
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec:
  clusterIP: 10.96.0.7
  selector: {app: cart}
  ports: [{name: http, port: 80, targetPort: 9090}]
"#;

/// The cart's endpoints: the last number of each address, and whether it is ready.
pub(crate) fn endpoints(of: &[(u8, bool)]) -> String {
    let endpoint = |(last, ready): &(u8, bool)| {
        format!(
            "- {{addresses: [10.244.0.{last}], conditions: {{ready: {ready}}}, targetRef: {{kind: Pod, name: cart-{last}, namespace: shop}}}}\n"
        )
    };
    let endpoints: String = of.iter().map(endpoint).collect();
    format!(
        "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: cart-x, namespace: shop, labels: \
         {{kubernetes.io/service-name: cart}}}}\naddressType: IPv4\nports: [{{name: http, port: 9090, protocol: \
         TCP}}]\nendpoints:\n{endpoints}"
    )
}
