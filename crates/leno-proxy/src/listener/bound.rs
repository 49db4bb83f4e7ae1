//! Connections to listeners with sockets of their own.

use std::{
    cell::OnceCell,
    net::SocketAddr,
    pin::pin,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::{Either, select};
use leno_engine::proxy_protocol::{Addition, Addresses};
use tokio::{net::TcpStream, time::timeout};

use super::{
    introduction::{self, Introduced},
    original_dst,
};
use crate::{
    config::{Drain, FilterChain, Met, TransportProtocol},
    connection::{Admission, Connection, Direction, Payload},
    detect::{self, First},
    error::ErrorKind,
    io::{Io, Socket},
    settings::Bound,
    telemetry::event::ConnectionRefused,
    tls::{self, accept::Proved, hello::Offer},
    worker::Worker,
};

/// How long a connection may take to end by itself when the time to drain is over.
const PARTING: Duration = Duration::from_secs(1);

/// Serves one connection.
pub(super) async fn serve(
    worker: Rc<Worker>,
    stream: TcpStream,
    peer: SocketAddr,
    bound: Arc<Bound>,
    admission: Admission,
) {
    let redirected = || original_dst::of(&stream, [bound.address.port(); 2]);
    let destination = if bound.original_destination { redirected() } else { None };
    let restored = destination.is_some();
    let Some(destination) = destination.or_else(|| stream.local_addr().ok()) else {
        return;
    };
    let (direct_peer, additions, opened) = (peer, Box::default(), Instant::now());
    let mut meeting = Meeting { worker, peer, direct_peer, destination, restored, additions, opened, admission };
    let mut socket = Socket::new(stream);
    let until = tokio::time::Instant::now() + bound.listener.inspect.time();
    if let Some(rules) = &bound.listener.introduction {
        match introduction::read(&mut socket, rules, until).await {
            Introduced::As(addresses, additions) => meeting.introduce(addresses, additions),
            Introduced::Not => {}
            Introduced::Silent if bound.listener.inspect.continue_on_timeout => {}
            Introduced::Silent => return meeting.refuse(ErrorKind::RequestTimeout),
            Introduced::Refused(why) => {
                tracing::debug!(%peer, why, "connection refused");
                return meeting.refuse(ErrorKind::BadIntroduction);
            }
            Introduced::Closed => return,
        }
    }
    meeting.serve(bound, socket, until).await;
}

/// A connection of which it is not known yet what it is.
struct Meeting {
    worker: Rc<Worker>,
    peer: SocketAddr,
    direct_peer: SocketAddr,
    destination: SocketAddr,
    restored: bool,
    additions: Box<[Addition]>,
    opened: Instant,
    admission: Admission,
}

impl Meeting {
    /// Believes a PROXY header.
    fn introduce(&mut self, addresses: Option<Addresses>, additions: Box<[Addition]>) {
        if let Some(Addresses { source, destination }) = addresses {
            self.restored |= destination != self.destination;
            (self.peer, self.destination) = (source, destination);
        }
        self.additions = additions;
    }

    /// Looks at the first bytes as far as the listener asks for it, chooses a chain and serves.
    async fn serve(self, bound: Arc<Bound>, mut socket: Socket, until: tokio::time::Instant) {
        let inspect = bound.listener.inspect;
        let mut transport = TransportProtocol::Raw;
        let mut offer = Offer::default();
        if inspect.tls {
            let left = until.saturating_duration_since(tokio::time::Instant::now());
            match detect::hello(&mut socket, left).await {
                First::Tls(offered) => (transport, offer) = (TransportProtocol::Tls, offered),
                First::Other => {}
                First::Silent if inspect.continue_on_timeout => {}
                First::Silent => return self.refuse(ErrorKind::RequestTimeout),
                First::Closed => return,
            }
        }
        let mut payload = None;
        if inspect.http && transport == TransportProtocol::Raw {
            let left = until.saturating_duration_since(tokio::time::Instant::now());
            payload = detect::payload(&mut socket, left).await;
            if payload.is_none() && !inspect.continue_on_timeout {
                return;
            }
            let names = payload.map_or(&[][..], detect::protocol_names);
            offer.protocols = names.iter().map(|name| (*name).to_owned()).collect();
        }
        let protocols: Vec<&str> = offer.protocols.iter().map(String::as_str).collect();
        let met = Met {
            destination: self.destination,
            source: self.peer,
            direct_source: self.direct_peer,
            transport,
            server_name: &offer.server_name,
            protocols: &protocols,
        };
        let chain = bound.listener.choose(&met).map(Arc::clone);
        // A connection holds its chain alone: the others of its listener may go before it.
        drop(bound);
        match chain {
            Some(chain) => {
                let serving = pin!(self.enter(&chain, socket, payload, &offer.server_name));
                let over = pin!(chain.life.drain.over());
                if let Either::Left(((), serving)) = select(over, serving).await {
                    // What carries bytes ends by itself then, and tells how many they were; the rest is cut.
                    drop(timeout(PARTING, serving).await);
                }
            }
            None => self.refuse(ErrorKind::UnknownDestination),
        }
    }

    /// Serves by a chain, after its handshake.
    async fn enter(self, chain: &FilterChain, socket: Socket, payload: Option<Payload>, server_name: &str) {
        let drain = &chain.life.drain;
        let Some(config) = &chain.tls else {
            let connection = self.connection(None, server_name, Arc::clone(drain));
            return super::serve(connection, chain, Io::Plain(socket), payload).await;
        };
        if let Ok((io, caller)) = Box::pin(tls::accept::accept(&self.worker, config, socket, self.peer)).await {
            let payload = tls::payload(io.alpn());
            let connection = self.connection(Some(caller), server_name, Arc::clone(drain));
            super::serve(connection, chain, io, payload).await;
        }
    }

    /// Counts and logs a connection that goes nowhere.
    fn refuse(self, reason: ErrorKind) {
        let (worker, direction, peer) = (&*self.worker, Direction::Outbound, self.direct_peer);
        ConnectionRefused { worker, direction, peer, reason }.emit();
    }

    /// The connection, now that it is known what it is.
    fn connection(self, caller: Option<Proved>, server_name: &str, drain: Arc<Drain>) -> Rc<Connection> {
        let (caller, tls) = caller.map_or((None, None), Proved::parts);
        Rc::new(Connection {
            worker: Rc::clone(&self.worker),
            additions: self.additions,
            direct_peer: self.direct_peer,
            tls,
            direction: Direction::Outbound,
            peer: self.peer,
            original_destination: self.destination,
            restored: self.restored,
            mtls: caller.is_some(),
            server_name: server_name.into(),
            source: self.worker.callers.labels(caller.as_ref()),
            identity: caller.map(|caller| caller.identity),
            opened: self.opened,
            admission: self.admission,
            drain: Some(drain),
            client_certificate: OnceCell::new(),
            limiters: OnceCell::new(),
        })
    }
}
