//! Connections from the workload.

use std::{
    cell::OnceCell,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::net::TcpStream;

pub use super::destination::{Destination, Destinations};
use super::{original_dst, speak_first};
use crate::{
    config::{FilterChain, Listener, Met, Terminal, TransportProtocol},
    connection::{Admission, Callee, Connection, Direction},
    detect::{self, First},
    error::ErrorKind,
    http,
    io::{Io, Socket},
    tcp,
    telemetry::event::{ConnectionRefused, Denied, Protocol},
    worker::Worker,
};

/// How long the first connection to a destination waits for its configuration.
pub(crate) const CONFIG: Duration = Duration::from_secs(10);

/// Serves one connection.
pub async fn serve(worker: Rc<Worker>, stream: TcpStream, peer: SocketAddr, admission: Admission) {
    let settings = &worker.shared.settings;
    match original_dst::of(&stream, settings.entrance.redirected_ports()) {
        Some(destination) => serve_to(worker, stream, peer, destination, admission).await,
        None => refuse(&worker, peer, ErrorKind::UnknownDestination),
    }
}

/// Serves one connection whose destination is known.
pub async fn serve_to(
    worker: Rc<Worker>,
    stream: TcpStream,
    peer: SocketAddr,
    address: SocketAddr,
    admission: Admission,
) {
    let connection = Rc::new(Connection {
        direction: Direction::Outbound,
        peer,
        direct_peer: peer,
        original_destination: address,
        restored: true,
        additions: Box::default(),
        identity: None,
        mtls: false,
        tls: None,
        server_name: Box::default(),
        source: Arc::clone(&worker.shared.settings.workload),
        opened: Instant::now(),
        admission,
        drain: None,
        client_certificate: OnceCell::new(),
        limiters: OnceCell::new(),
        worker,
    });
    let worker = &connection.worker;
    // Held for as long as the connection lives: a destination in use is not unsubscribed.
    let destination = match worker.destinations.find(&worker.shared.config, address).await {
        Ok(destination) => destination,
        Err(kind) => return refuse(worker, peer, kind),
    };
    // Boxed: rare, and large.
    match listener(worker, &destination).await {
        Ok(listener) => route(&connection, &destination, &listener, Socket::new(stream)).await,
        Err(kind) => refuse(worker, peer, kind),
    }
}

/// The listener of a destination; of one that the mesh does not know, the listener for those.
pub(crate) async fn listener(worker: &Worker, destination: &Destination) -> Result<Arc<Listener>, ErrorKind> {
    match destination.listener().known(CONFIG).await {
        Ok(Some(listener)) => Ok(listener),
        Ok(None) => match worker.shared.config.outbound().known(CONFIG).await {
            Ok(Some(listener)) => Ok(listener),
            Ok(None) => Err(ErrorKind::UnknownDestination),
            Err(_) => Err(ErrorKind::ConfigTimeout),
        },
        // Passing it on as it is might send in plaintext what the mesh would protect.
        Err(_) => Err(ErrorKind::ConfigTimeout),
    }
}

/// Counts and logs a connection that goes nowhere.
fn refuse(worker: &Worker, peer: SocketAddr, reason: ErrorKind) {
    ConnectionRefused { worker, direction: Direction::Outbound, peer, reason }.emit();
}

/// Finds out what is spoken, if nothing is declared, and serves.
async fn route(connection: &Rc<Connection>, destination: &Destination, listener: &Listener, socket: Socket) {
    if listener.asks_for_name(connection.original_destination) {
        return Box::pin(route_by_name(connection, listener, socket)).await;
    }
    let choose = |protocols: &[&str]| {
        listener.choose(&Met {
            destination: connection.original_destination,
            source: connection.peer,
            direct_source: connection.direct_peer,
            transport: TransportProtocol::Raw,
            server_name: "",
            protocols,
        })
    };
    if !listener.inspect.http {
        return match choose(&[]) {
            Some(chain) => super::serve(Rc::clone(connection), chain, Io::Plain(socket), None).await,
            None => unknown(connection, listener),
        };
    }
    let bytes = choose(&[]).and_then(|chain| match &chain.terminal {
        Terminal::Tcp(proxy) => Some(&**proxy),
        Terminal::Http(_) => None,
    });
    let heard = Box::pin(speak_first::listen(connection, destination.habit(), listener.inspect, bytes, socket)).await;
    let Some(heard) = heard else { return };
    let protocols = heard.payload.map_or(&[][..], detect::protocol_names);
    let Some(chain) = choose(protocols) else {
        return unknown(connection, listener);
    };
    serve_heard(connection, chain, heard).await;
}

/// Finds out which name the client asks for in its ClientHello, and serves.
async fn route_by_name(connection: &Rc<Connection>, listener: &Listener, mut socket: Socket) {
    let (transport, name) = match detect::hello(&mut socket, listener.inspect.time()).await {
        First::Tls(offer) => (TransportProtocol::Tls, offer.server_name),
        First::Other | First::Silent => (TransportProtocol::Raw, String::new()),
        First::Closed => return,
    };
    let met = Met {
        destination: connection.original_destination,
        source: connection.peer,
        direct_source: connection.direct_peer,
        transport,
        server_name: &name,
        protocols: &[],
    };
    match listener.choose(&met) {
        Some(chain) => super::serve(Rc::clone(connection), chain, Io::Plain(socket), None).await,
        None => unknown(connection, listener),
    }
}

/// Serves a connection after it was heard what is spoken on it.
async fn serve_heard(connection: &Rc<Connection>, chain: &FilterChain, heard: speak_first::Heard) {
    let io = Io::Plain(heard.socket);
    match &chain.terminal {
        Terminal::Http(manager) => {
            Box::pin(http::serve(Rc::clone(connection), Arc::clone(manager), io, heard.payload)).await
        }
        Terminal::Tcp(proxy) => Box::pin(tcp::exchange::run(connection, proxy, io, heard.upstream)).await,
    }
}

/// Why a connection that no chain is for is closed.
pub(crate) fn unknown_detail(destination: SocketAddr) -> String {
    format!("{destination} is no known destination and only those are allowed")
}

/// Closes a connection that no chain is for: counted and logged.
fn unknown(connection: &Rc<Connection>, listener: &Listener) {
    let callee = Callee::of(connection, &listener.name);
    let detail = unknown_detail(connection.original_destination);
    let reason = ErrorKind::UnknownDestination;
    Denied {
        connection,
        callee: &callee,
        reason,
        detail: &detail,
        protocol: Protocol::Tcp,
        request: None,
        enforced: true,
    }
    .emit();
}
