//! Dialling an endpoint: TCP, the mark that keeps it from being redirected again, and mesh TLS.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    rc::Rc,
    time::Duration,
};

use leno_model::SpiffeId;
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};
use tokio::{net::TcpSocket, net::TcpStream, time::timeout};

use crate::{
    config::{Cluster, Endpoint, Transport},
    connection::{Direction, Payload},
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
}

/// The source address of dials to the application where redirection goes by uid and not by mark: the rules let it
/// pass (as Istio's do).
const INBOUND_SOURCE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 6);

/// Dials an endpoint of a cluster, protected as the cluster says, within its connect timeout.
///
/// # Errors
/// `UpstreamConnect`, `UpstreamTls` or `UpstreamIdentity`.
pub async fn dial(
    worker: &Rc<Worker>,
    direction: Direction,
    cluster: &Cluster,
    endpoint: &Endpoint,
    payload: Payload,
) -> Result<Dialed, ProxyError> {
    let all = reach(worker, direction, cluster, (endpoint, endpoint.address), payload);
    let to = endpoint.address;
    let (result, origin) = match timeout(cluster.connect_timeout, all).await {
        // Of bytes nothing more will be known.
        Ok(Ok(dialed)) if payload == Payload::Tcp => (Ok(dialed), LocalOrigin::ConnectSuccessFinal),
        Ok(Ok(dialed)) => (Ok(dialed), LocalOrigin::ConnectSuccess),
        Ok(Err(error)) => (Err(error), LocalOrigin::ConnectFailed),
        Err(_) => {
            let text = format!("connecting to {to} took longer than {:?}", cluster.connect_timeout);
            (Err(ProxyError::new(ErrorKind::UpstreamConnect, text)), LocalOrigin::Timeout)
        }
    };
    cluster.report(worker, endpoint, Outcome::LocalOrigin(origin));
    result
}

/// Dials without a limit of time and without a word about it; `at` is the endpoint, and where to reach it.
///
/// # Errors
/// What went wrong.
pub(crate) async fn reach(
    worker: &Rc<Worker>,
    direction: Direction,
    cluster: &Cluster,
    at: (&Endpoint, SocketAddr),
    payload: Payload,
) -> Result<Dialed, ProxyError> {
    let (endpoint, to) = at;
    let stream = tcp(&worker.shared.settings, direction, to)
        .await
        .map_err(|error| ProxyError::new(ErrorKind::UpstreamConnect, format!("connecting to {to}: {error}")))?;
    match cluster.transport(endpoint) {
        Transport::Plain => Ok(Dialed { io: Io::Plain(Buffered::new(stream)), identity: None }),
        Transport::MeshTls(config) => {
            let (io, identity) = tls::connect::connect(worker, config, payload, stream, to).await?;
            Ok(Dialed { io, identity: Some(identity) })
        }
    }
}

/// Dials over TCP with the mark of its direction.
async fn tcp(settings: &Settings, direction: Direction, to: SocketAddr) -> io::Result<TcpStream> {
    match (settings.mark, direction) {
        (mark, Direction::Outbound) => marked(mark, to).await,
        (Some(mark), Direction::Inbound) => marked(Some(mark.wrapping_add(1)), to).await,
        (None, Direction::Inbound) => {
            let socket = open(to)?;
            if to.is_ipv4() {
                socket.bind(&SocketAddr::from((INBOUND_SOURCE, 0)).into())?;
            }
            connect(socket, to).await
        }
    }
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
