//! Dialling an endpoint: TCP, the mark that keeps it from being redirected again, and mesh TLS.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    rc::Rc,
    time::Duration,
};

use leno_model::SpiffeId;
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};
use tokio::{io::AsyncWriteExt as _, net::TcpSocket, net::TcpStream, time::timeout};

use crate::{
    config::{Cluster, DialSocket, Endpoint, Keepalive, ProxyHeader, Security},
    connection::{Connection, Direction, Payload},
    error::{ErrorKind, ProxyError},
    io::{Io, Socket as Buffered},
    settings::Settings,
    tls,
    worker::Worker,
};
use leno_engine::resilience::outlier::{LocalOrigin, Outcome};

/// A connection to an endpoint.
#[derive(Debug)]
pub struct Dialed {
    /// The stream.
    pub io: Io,
    /// The identity that the endpoint proved; `None` in plaintext.
    pub identity: Option<SpiffeId>,
    /// What the endpoint chose to speak; `None`: it was not asked, or did not choose.
    pub payload: Option<Payload>,
}

/// What is offered to an endpoint by ALPN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// What will be spoken.
    Only(Payload),
    /// HTTP/2 or HTTP/1.1, as it likes.
    Either,
}

impl From<Payload> for Offer {
    fn from(payload: Payload) -> Self {
        Self::Only(payload)
    }
}

impl Offer {
    /// What is spoken where there is no choice.
    #[must_use]
    pub fn payload(self) -> Payload {
        match self {
            Self::Only(payload) => payload,
            Self::Either => Payload::Http1,
        }
    }
}

/// For whom an endpoint is dialled.
#[derive(Clone, Copy, Debug)]
pub enum OnBehalf<'a> {
    /// For somebody's connection.
    Caller(&'a Connection),
    /// For the proxy itself.
    Proxy(&'a Rc<Worker>),
}

impl<'a> OnBehalf<'a> {
    /// The worker that dials.
    #[must_use]
    pub fn worker(self) -> &'a Rc<Worker> {
        match self {
            Self::Caller(caller) => &caller.worker,
            Self::Proxy(worker) => worker,
        }
    }

    /// The connection of the caller, if there is one.
    #[must_use]
    pub fn caller(self) -> Option<&'a Connection> {
        match self {
            Self::Caller(caller) => Some(caller),
            Self::Proxy(_) => None,
        }
    }
}

/// The source address of dials to the application where redirection goes by uid and not by mark: the rules let it
/// pass (as Istio's do).
const INBOUND_SOURCE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 6);

/// Dials an endpoint of a cluster, protected as the cluster says, within its connect timeout.
///
/// # Errors
/// `UpstreamConnect`, `UpstreamTls` or `UpstreamIdentity`.
pub async fn dial(
    for_whom: OnBehalf<'_>,
    cluster: &Cluster,
    endpoint: &Endpoint,
    offer: impl Into<Offer>,
) -> Result<Dialed, ProxyError> {
    let offer = offer.into();
    let all = reach(for_whom, cluster, (endpoint, endpoint.address), offer);
    let to = endpoint.address;
    let (result, origin) = match timeout(cluster.connect_timeout, all).await {
        // Of bytes nothing more will be known.
        Ok(Ok(dialed)) if offer.payload() == Payload::Tcp => (Ok(dialed), LocalOrigin::ConnectSuccessFinal),
        Ok(Ok(dialed)) => (Ok(dialed), LocalOrigin::ConnectSuccess),
        Ok(Err(error)) => (Err(error), LocalOrigin::ConnectFailed),
        Err(_) => {
            let text = format!("connecting to {to} took longer than {:?}", cluster.connect_timeout);
            (Err(ProxyError::new(ErrorKind::UpstreamConnect, text)), LocalOrigin::Timeout)
        }
    };
    cluster.report(for_whom.worker(), endpoint, Outcome::LocalOrigin(origin));
    result
}

/// Dials without a limit of time and without a word about it; `at` is the endpoint, and where to reach it.
///
/// # Errors
/// What went wrong.
pub(crate) async fn reach(
    for_whom: OnBehalf<'_>,
    cluster: &Cluster,
    at: (&Endpoint, SocketAddr),
    offer: impl Into<Offer>,
) -> Result<Dialed, ProxyError> {
    let ((endpoint, to), offer) = (at, offer.into());
    let (worker, caller) = (for_whom.worker(), for_whom.caller());
    let failed = |error: io::Error| ProxyError::new(ErrorKind::UpstreamConnect, format!("connecting to {to}: {error}"));
    let direction = caller.map_or(Direction::Outbound, |caller| caller.direction);
    let mut stream = tcp(&worker.shared.settings, direction, to, cluster.socket).await.map_err(failed)?;
    let transport = cluster.transport(endpoint);
    if let Some(header) = &transport.header {
        introduce(&mut stream, header, caller).await.map_err(failed)?;
    }
    match &transport.security {
        Security::Plain => Ok(Dialed { io: Io::Plain(Buffered::new(stream)), identity: None, payload: None }),
        Security::MeshTls(config) => {
            let (io, identity) = tls::connect::mesh(worker, config, offer.payload(), stream, to).await?;
            Ok(Dialed { io, identity: Some(identity), payload: None })
        }
        Security::Tls(context) => {
            let server = context.server(&endpoint.standing.hostname, to.ip());
            let (io, payload) = tls::connect::own(worker, context, offer, stream, (to, server)).await?;
            Ok(Dialed { io, identity: None, payload })
        }
        Security::Named(server) => {
            let io = tls::connect::named(worker, server, stream, to).await?;
            Ok(Dialed { io, identity: None, payload: None })
        }
    }
}

/// Says who called, before all else.
async fn introduce(stream: &mut TcpStream, header: &ProxyHeader, caller: Option<&Connection>) -> io::Result<()> {
    let bytes = match caller {
        Some(caller) => header.told(caller),
        None => header.own(stream.local_addr()?, stream.peer_addr()?),
    };
    stream.write_all(&bytes).await
}

/// Dials over TCP with the mark of its direction.
async fn tcp(settings: &Settings, direction: Direction, to: SocketAddr, own: DialSocket) -> io::Result<TcpStream> {
    let socket = open(to)?;
    let mark = match direction {
        Direction::Outbound => settings.mark,
        Direction::Inbound => settings.mark.map(|mark| mark.wrapping_add(1)),
    };
    if let Some(mark) = mark {
        socket.set_mark(mark)?;
    }
    let passed = (mark.is_none() && direction == Direction::Inbound && to.is_ipv4())
        .then(|| SocketAddr::from((INBOUND_SOURCE, 0)));
    // Of another family it is of no use.
    if let Some(source) = own.source.filter(|source| source.is_ipv4() == to.is_ipv4()).or(passed) {
        if own.freebind {
            if source.is_ipv4() { socket.set_freebind_v4(true)? } else { socket.set_freebind_v6(true)? }
        }
        socket.bind(&source.into())?;
    }
    let stream = connect(socket, to).await?;
    if let Some(keepalive) = own.keepalive {
        probe(&stream, keepalive)?;
    }
    Ok(stream)
}

/// Sets keep-alive probes.
fn probe(stream: &TcpStream, keepalive: Keepalive) -> io::Result<()> {
    let Keepalive { time, interval, probes } = keepalive;
    let mut set = TcpKeepalive::new();
    set = time.map_or(set.clone(), |time| set.with_time(time));
    set = interval.map_or(set.clone(), |interval| set.with_interval(interval));
    set = probes.map_or(set.clone(), |probes| set.with_retries(probes));
    SockRef::from(stream).set_tcp_keepalive(&set)
}

/// Dials over TCP with this mark.
///
/// # Errors
/// When the mark may not be set, or nobody answers.
pub(crate) async fn marked(mark: Option<u32>, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = open(to)?;
    if let Some(mark) = mark {
        socket.set_mark(mark)?;
    }
    connect(socket, to).await
}

/// Whether this process may mark its connections.
///
/// # Errors
/// When it may not.
pub(crate) fn may_mark(mark: u32) -> io::Result<()> {
    Socket::new(Domain::IPV4, Type::STREAM, None)?.set_mark(mark)
}

fn open(to: SocketAddr) -> io::Result<Socket> {
    Socket::new(Domain::for_address(to), Type::STREAM.nonblocking(), None)
}

async fn connect(socket: Socket, to: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpSocket::from_std_stream(socket.into()).connect(to).await?;
    tune(&stream);
    Ok(stream)
}

/// Keep-alive probes: after how long a silence, how far apart, and how many without an answer mean the end.
pub(crate) const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(180), Duration::from_secs(15), 9);

/// What every connection of the data path gets: no delay, and keep-alive probes, so that a peer that vanished is found.
/// Failures are ignored: a connection without them still works.
pub(crate) fn tune<'s>(socket: impl Into<SockRef<'s>>) {
    let socket = socket.into();
    drop(socket.set_tcp_nodelay(true));
    let (time, interval, retries) = KEEPALIVE;
    let probes = TcpKeepalive::new().with_time(time).with_interval(interval).with_retries(retries);
    drop(socket.set_tcp_keepalive(&probes));
}
