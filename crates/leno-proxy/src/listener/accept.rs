//! Accepting: sockets, limits, and the loop.

use std::{
    cell::RefCell,
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::pin,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use socket2::{Domain, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::{bound, inbound, outbound};
use crate::{
    connection::{Admission, Direction},
    dial,
    error::ErrorKind,
    settings::{Bound, ListenSocket},
    telemetry::event::ConnectionRefused,
    worker::{Shared, Worker},
};

/// Opens the sockets of a port, for IPv4 and, where the system has it, IPv6; each worker has its own and the kernel
/// shares connections out.
///
/// # Errors
/// When the IPv4 socket cannot be had.
pub fn listen(port: u16) -> io::Result<Vec<TcpListener>> {
    let mut listeners = vec![open(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)), ListenSocket::default())?];
    let port = listeners.first().and_then(|listener| listener.local_addr().ok()).map_or(port, |address| address.port());
    // Without IPv6 in the kernel there is nothing to accept.
    listeners.extend(open(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)), ListenSocket::default()));
    Ok(listeners)
}

/// Opens one socket.
///
/// # Errors
/// When the address is taken or not ours, or the process may not do what is asked for.
pub fn open(address: SocketAddr, settings: ListenSocket) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // What is accepted has these from the socket that it was accepted from.
    dial::tune(&socket);
    match address {
        SocketAddr::V4(_) => {
            socket.set_freebind_v4(settings.freebind)?;
            if settings.transparent {
                socket.set_ip_transparent_v4(true)?;
            }
        }
        SocketAddr::V6(_) => socket.set_freebind_v6(settings.freebind)?,
    }
    socket.bind(&address.into())?;
    socket.listen(settings.backlog)?;
    TcpListener::from_std(socket.into())
}

/// Which way connections come in by a socket.
#[derive(Clone, Debug)]
pub enum Door {
    /// Redirected ones from the workload.
    Outbound,
    /// Redirected ones to the workload.
    Inbound,
    /// Those that this listener is meant for, as it is at the moment.
    Bound(Rc<RefCell<Arc<Bound>>>),
}

impl Door {
    /// How many connections are accepted before others get their turn.
    fn at_once(&self) -> u32 {
        match self {
            Self::Bound(bound) => bound.borrow().socket.accepted_at_once,
            Self::Outbound | Self::Inbound => u32::MAX,
        }
    }

    /// Which way its connections count as.
    fn direction(&self) -> Direction {
        match self {
            Self::Outbound | Self::Bound(_) => Direction::Outbound,
            Self::Inbound => Direction::Inbound,
        }
    }
}

/// Accepts for ever.
pub async fn run(worker: Rc<Worker>, listener: TcpListener, door: Door) {
    let direction = door.direction();
    let mut accepted = 0;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                take(&worker, stream, peer, &door);
                accepted += 1;
                if accepted >= door.at_once() {
                    accepted = 0;
                    tokio::task::yield_now().await;
                }
            }
            // The caller went away while it waited.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                // Out of file descriptors or memory: what is open must end first.
                tracing::warn!(%error, direction = direction.label(), "cannot accept connections");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// How long a connection above the limit has for its request and the answer to it.
pub(crate) const SHED: Duration = Duration::from_secs(5);

/// Starts to serve a connection, or turns it away when there are too many.
fn take(worker: &Rc<Worker>, stream: TcpStream, peer: SocketAddr, door: &Door) {
    let direction = door.direction();
    let Some(open) = Open::new(&worker.shared) else {
        ConnectionRefused { worker, direction, peer, reason: ErrorKind::Overload }.emit();
        return;
    };
    let (own, door) = (Rc::clone(worker), door.clone());
    let admission = open.admission;
    match admission {
        Admission::Admitted => {}
        Admission::Shed => {
            ConnectionRefused { worker, direction, peer, reason: ErrorKind::Overload }.emit();
        }
    }
    worker.spawn(async move {
        // In its place: a future that is moved takes its room twice, for as long as the connection lives.
        let served = pin!(async {
            match door {
                Door::Inbound => inbound::serve(own, stream, peer, admission).await,
                Door::Outbound => outbound::serve(own, stream, peer, admission).await,
                Door::Bound(bound) => {
                    let bound = Arc::clone(&bound.borrow());
                    bound::serve(own, stream, peer, bound, admission).await;
                }
            }
        });
        match admission {
            Admission::Admitted => served.await,
            Admission::Shed => drop(timeout(SHED, served).await),
        }
        drop(open);
    });
}

/// A connection counted while it is open.
struct Open {
    shared: Arc<Shared>,
    admission: Admission,
}

impl Open {
    /// Counts one more, if the limit allows.
    fn new(shared: &Arc<Shared>) -> Option<Self> {
        let before = shared.connections.fetch_add(1, Ordering::Relaxed);
        let Some(admission) = shared.settings.limits.admission(before) else {
            shared.connections.fetch_sub(1, Ordering::Relaxed);
            return None;
        };
        Some(Self { shared: Arc::clone(shared), admission })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shared.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
