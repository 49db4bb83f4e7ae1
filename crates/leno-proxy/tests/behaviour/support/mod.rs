//! A sidecar in this process: a worker with injected configuration, reached by plain sockets.

use std::{
    cell::RefCell,
    collections::HashMap,
    future::Future,
    net::SocketAddr,
    rc::Rc,
    sync::{Arc, atomic::AtomicU32},
    time::Duration,
};

use leno_engine::{authorization::Rbac, balance::Balancing, filter::AccessControl};
use leno_model::{ServiceAccountName, SpiffeId, TrustDomain};
use leno_proxy::{
    config::{
        Caller, ChainMatch, CircuitBreaker, Cluster, ClusterKind, DialSocket, DownstreamTls, Endpoint, EndpointSet,
        FilterChain, Guard, HealthChecker, HttpProtocol, Inspect, Life, Listener, MeshTls, OriginalDst, Security,
        SetRules, Slot, TcpProxy, Terminal, Thresholds, Transport, TransportMatch, TransportProtocol, UpstreamHttp,
        UpstreamTls, WeightedCluster, WorkloadLabels,
    },
    connection::{Admission, Direction},
    discovery::{Lookup, Question},
    identity::Credentials,
    listener::{inbound, outbound},
    settings::{Entrance, Limits, Settings},
    telemetry::{Totals, access_log::AccessLog},
    worker::{Shared, Worker},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::{LocalSet, spawn_local},
};

pub mod authority;
pub mod control;

pub use authority::Authority;

/// Runs a test with a deadline, on one thread.
pub fn run(test: impl Future<Output = ()>) {
    leno_runtime::init::crypto();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let finished = tokio::time::timeout(Duration::from_secs(30), test).await;
        assert!(finished.is_ok(), "the test takes too long");
    });
}

pub fn id(account: &str) -> SpiffeId {
    SpiffeId::new(TrustDomain::default(), ServiceAccountName::new("test", account))
}

/// Hands over each connection as a redirected one.
async fn accept(
    worker: Rc<Worker>,
    listener: TcpListener,
    direction: Direction,
    destination: SocketAddr,
    admission: Admission,
) {
    loop {
        let (stream, peer) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let own = Rc::clone(&worker);
        match direction {
            Direction::Inbound => worker.spawn(inbound::serve_to(own, stream, peer, destination, admission)),
            Direction::Outbound => worker.spawn(outbound::serve_to(own, stream, peer, destination, admission)),
        }
    }
}

/// Listeners by original destination.
type Destinations = HashMap<SocketAddr, Arc<Slot<Listener>>>;
type Known = Rc<RefCell<Destinations>>;

/// Answers a worker's questions; what is not known does not exist.
async fn answer(mut questions: mpsc::Receiver<Question>, known: Known) {
    while let Some(question) = questions.recv().await {
        let Question::Destination(address, reply) = question else {
            continue;
        };
        let unknown = || {
            let slot = Slot::pending("unknown");
            slot.set_absent();
            slot
        };
        let slot = known.borrow_mut().entry(address).or_insert_with(unknown).clone();
        reply.send(slot).unwrap();
    }
}

/// A sidecar.
pub struct Sidecar {
    pub worker: Rc<Worker>,
    destinations: Known,
    inbound: Arc<Slot<Listener>>,
    outbound: Arc<Slot<Listener>>,
    drain: leno_runtime::Drain,
}

impl Sidecar {
    pub fn new(authority: &Authority, account: &str) -> Self {
        Self::with_credentials(authority.credentials(&id(account)), account)
    }

    pub fn with_credentials(credentials: Arc<Credentials>, account: &str) -> Self {
        let (inbound, outbound) = (Slot::pending("inbound"), Slot::pending("outbound"));
        let (config, questions) = Lookup::new(Arc::clone(&inbound), Arc::clone(&outbound));
        let destinations = Known::default();
        spawn_local(answer(questions, Rc::clone(&destinations)));
        let workload = WorkloadLabels {
            workload: account.into(),
            pod: format!("{account}-1").into(),
            namespace: "test".into(),
            identity: id(account).to_string().into(),
        };
        let shared = Shared {
            settings: Settings {
                workload: Arc::new(workload),
                workload_ips: vec![],
                entrance: Entrance::Redirected { outbound: 15001, inbound: 15006 },
                mark: None,
                limits: Limits::default(),
            },
            credentials,
            config,
            access_log: AccessLog::start(std::io::sink()).unwrap(),
            connections: AtomicU32::new(0),
        };
        let (drain, drained) = leno_runtime::drain::channel();
        let worker = Worker::new(0, Arc::new(shared), drained);
        Self { worker, destinations, inbound, outbound, drain }
    }

    pub fn set_inbound(&self, listener: Listener) {
        self.inbound.set(Arc::new(listener));
    }

    pub fn set_outbound(&self, listener: Listener) {
        self.outbound.set(Arc::new(listener));
    }

    pub fn set_destination(&self, address: SocketAddr, listener: Listener) {
        self.destinations.borrow_mut().insert(address, Slot::ready("destination", listener));
    }

    /// Opens a port whose connections are taken as redirected ones to `destination`.
    pub async fn open(&self, direction: Direction, destination: SocketAddr) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        spawn_local(accept(Rc::clone(&self.worker), listener, direction, destination, Admission::Admitted));
        address
    }

    /// The same for connections above the limit.
    pub async fn open_shed(&self, direction: Direction, destination: SocketAddr) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        spawn_local(accept(Rc::clone(&self.worker), listener, direction, destination, Admission::Shed));
        address
    }

    /// Says that it is time to end.
    pub fn drain(&self) {
        self.worker.set_draining();
        self.drain.start();
    }

    pub fn totals(&self) -> Totals {
        self.worker.telemetry.totals()
    }

    /// Handshakes by result.
    pub fn handshakes(&self, result: &str) -> u64 {
        let label = |error: &Option<leno_proxy::telemetry::event::HandshakeError>| error.map_or("ok", |e| e.label());
        self.totals().handshakes.iter().filter(|((_, error, _), _)| label(error) == result).map(|(_, n)| n).sum()
    }

    /// Denials by reason.
    pub fn denied(&self, reason: &str) -> u64 {
        self.totals().occasions.iter().filter(|((_, labels), _)| labels.flags == reason).map(|(_, n)| n).sum()
    }
}

pub fn cluster(name: &str, kind: ClusterKind, transports: Vec<TransportMatch>) -> Arc<Slot<Cluster>> {
    Slot::ready(name, Cluster { name: name.into(), ..unnamed(kind, transports) })
}

fn unnamed(kind: ClusterKind, transports: Vec<TransportMatch>) -> Cluster {
    Cluster {
        name: "".into(),
        service: "".into(),
        kind,
        connect_timeout: Duration::from_secs(2),
        balancing: Balancing::default(),
        caller: Caller::default(),
        transports,
        socket: DialSocket::default(),
        protocol: HttpProtocol::AsCaller,
        http: UpstreamHttp::default(),
        max_requests_per_connection: None,
        breaker: CircuitBreaker::new(Thresholds::default()),
        outlier: None,
        health: None,
        used: Default::default(),
        choice: Default::default(),
        origins: Box::default(),
    }
}

/// A plaintext cluster with these thresholds.
pub fn bounded(address: SocketAddr, thresholds: Thresholds) -> (Arc<Slot<Cluster>>, Arc<Endpoint>) {
    let set = endpoints(&[address], "server");
    let endpoint = Arc::clone(&set.endpoints[0]);
    let name = "outbound/test/bounded:1";
    let cluster = unnamed(ClusterKind::Static(Arc::new(set)), vec![]);
    let cluster = Cluster { name: name.into(), breaker: CircuitBreaker::new(thresholds), ..cluster };
    (Slot::ready(name, cluster), endpoint)
}

/// A plaintext cluster whose endpoints are asked whether they are well, and always believed.
pub fn checked(addresses: &[SocketAddr], checker: HealthChecker) -> Arc<Slot<Cluster>> {
    let name = "outbound/test/checked:1";
    let cluster = unnamed(ClusterKind::Static(Arc::new(endpoints(addresses, "server"))), vec![]);
    let balancing = Balancing { panic_threshold: 0, ..Balancing::default() };
    Slot::ready(name, Cluster { name: name.into(), health: Some(checker), balancing, ..cluster })
}

/// A cluster like another one, with nothing under way.
pub fn copied(cluster: &Cluster) -> Cluster {
    let ClusterKind::Static(set) = &cluster.kind else { panic!("the cluster is static") };
    let copy = unnamed(ClusterKind::Static(Arc::clone(set)), vec![]);
    Cluster { name: Arc::clone(&cluster.name), protocol: cluster.protocol, http: cluster.http, ..copy }
}

/// A plaintext cluster that is spoken to in this protocol.
pub fn speaking(address: SocketAddr, protocol: HttpProtocol) -> Arc<Slot<Cluster>> {
    let name = "outbound/test/speaking:1";
    let cluster = unnamed(ClusterKind::Static(Arc::new(endpoints(&[address], "server"))), vec![]);
    Slot::ready(name, Cluster { name: name.into(), protocol, ..cluster })
}

pub fn original_dst() -> Arc<Slot<Cluster>> {
    cluster("inbound", ClusterKind::OriginalDst(OriginalDst::default()), vec![])
}

pub fn plain(addresses: &[SocketAddr]) -> Arc<Slot<Cluster>> {
    cluster("outbound/test/plain:1", ClusterKind::Static(Arc::new(endpoints(addresses, "server"))), vec![])
}

/// A cluster reached by mesh TLS whose endpoints are these accounts.
pub fn meshed(addresses: &[SocketAddr], accounts: &[&str]) -> Arc<Slot<Cluster>> {
    let tls = UpstreamTls::new(accounts.iter().map(|account| id(account)).collect());
    let transport = TransportMatch {
        name: "mesh".into(),
        labels: vec![],
        transport: Transport { header: None, security: Security::MeshTls(Arc::new(tls)) },
    };
    let set = endpoints(addresses, accounts[0]);
    cluster("outbound/test/meshed:1", ClusterKind::Static(Arc::new(set)), vec![transport])
}

fn endpoints(addresses: &[SocketAddr], account: &str) -> EndpointSet {
    let labels = Arc::new(WorkloadLabels {
        workload: account.into(),
        identity: id(account).to_string().into(),
        ..WorkloadLabels::default()
    });
    let endpoint = |address: &SocketAddr| Endpoint::new(*address, 1, vec![], Arc::clone(&labels));
    EndpointSet::new(None, addresses.iter().map(endpoint).collect(), SetRules::default())
}

pub fn tcp_proxy(cluster: Arc<Slot<Cluster>>) -> TcpProxy {
    let prefix = Arc::clone(cluster.name());
    let proxy = TcpProxy::new(prefix, vec![WeightedCluster { weight: 1, cluster }]);
    TcpProxy { idle_timeout: Duration::ZERO, access_log: true, ..proxy }
}

pub fn tcp_chain(proxy: TcpProxy) -> FilterChain {
    FilterChain {
        name: "tcp".into(),
        matches: ChainMatch::default(),
        tls: None,
        guards: vec![],
        terminal: Terminal::Tcp(Arc::new(proxy)),
        origins: Box::default(),
        life: Life::default(),
    }
}

/// A listener with one chain for everything.
pub fn listener(chain: FilterChain) -> Listener {
    Listener {
        name: "test".into(),
        filter_chains: vec![],
        default_filter_chain: Some(Arc::new(chain)),
        introduction: None,
        inspect: Inspect::default(),
    }
}

/// Rules of who may connect.
fn access(rules: Rbac) -> Guard {
    Guard::Access(AccessControl { rules: Some(rules), ..AccessControl::default() })
}

/// What the compiler makes of a strict workload, for TCP.
pub fn strict_inbound(rbac: Option<Rbac>) -> Listener {
    let chain = FilterChain {
        matches: ChainMatch {
            destination_port: None,
            transport: Some(TransportProtocol::Tls),
            application_protocols: vec!["leno-tcp".into()],
            ..ChainMatch::default()
        },
        tls: Some(Arc::new(DownstreamTls::Mesh(MeshTls::new(vec![
            "leno-http/1.1".into(),
            "leno-h2".into(),
            "leno-tcp".into(),
        ])))),
        guards: rbac.map(access).into_iter().collect(),
        ..tcp_chain(tcp_proxy(original_dst()))
    };
    Listener {
        name: "inbound".into(),
        filter_chains: vec![Arc::new(chain)],
        default_filter_chain: None,
        introduction: None,
        inspect: Inspect { tls: true, ..Inspect::default() },
    }
}

/// A server that says what it hears, and keeps its half open as long as it has something to say.
pub async fn echo() -> SocketAddr {
    serve(|mut stream| async move {
        let (mut read, mut write) = stream.split();
        drop(tokio::io::copy(&mut read, &mut write).await);
        drop(write.shutdown().await);
    })
    .await
}

/// A server that greets and then echoes.
pub async fn greeter() -> SocketAddr {
    serve(|mut stream| async move {
        stream.write_all(b"hello\n").await.unwrap();
        let (mut read, mut write) = stream.split();
        drop(tokio::io::copy(&mut read, &mut write).await);
    })
    .await
}

pub async fn serve<F: Future<Output = ()> + 'static>(handle: impl Fn(TcpStream) -> F + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    spawn_local(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            spawn_local(handle(stream));
        }
    });
    address
}

/// Sends, half-closes, and reads to the end.
pub async fn talk(to: SocketAddr, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(to).await?;
    let (mut read, mut write) = stream.split();
    let send = async {
        // A peer that refuses may close before all is sent.
        drop(write.write_all(bytes).await);
        drop(write.shutdown().await);
    };
    let mut answer = Vec::new();
    let (_, read) = tokio::join!(send, read.read_to_end(&mut answer));
    read.map(|_| answer)
}

/// Waits until something is so.
pub async fn until(condition: impl Fn() -> bool) {
    for _ in 0..1000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it did not come to be so");
}
