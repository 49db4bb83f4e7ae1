//! Connections to the workload.

use std::{
    cell::OnceCell,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::net::TcpStream;

use super::{guard, original_dst, speak_first};
use crate::{
    config::{FilterChain, Inspect, Listener, Met, Terminal, TransportProtocol},
    connection::{Admission, Callee, Connection, Direction, Payload},
    detect::{self, First},
    error::ErrorKind,
    io::{Io, Socket},
    tcp,
    telemetry::event::{ConnectionRefused, Denied, Protocol},
    tls::{self, accept::Proved, hello::Offer},
    worker::Worker,
};

/// How long a connection waits for the listener while the proxy starts.
pub(crate) const CONFIG: Duration = Duration::from_secs(10);
/// How long a caller may be silent before the application is asked whether it speaks first.
pub(crate) const MOMENT: Duration = Duration::from_millis(20);
/// How long the first byte, and a ClientHello after it, may take.
pub(crate) const FIRST_BYTES: Duration = Duration::from_secs(10);

/// Serves one connection.
pub async fn serve(worker: Rc<Worker>, stream: TcpStream, peer: SocketAddr, admission: Admission) {
    let settings = &worker.shared.settings;
    let Some(destination) = original_dst::of(&stream, settings.entrance.redirected_ports()) else {
        refuse(&worker, peer, ErrorKind::UnknownDestination);
        return;
    };
    serve_to(worker, stream, peer, destination, admission).await;
}

/// Serves one connection whose destination is known.
pub async fn serve_to(
    worker: Rc<Worker>,
    stream: TcpStream,
    peer: SocketAddr,
    destination: SocketAddr,
    admission: Admission,
) {
    let opened = Instant::now();
    let Ok(Some(listener)) = worker.shared.config.inbound().known(CONFIG).await else {
        refuse(&worker, peer, ErrorKind::ConfigTimeout);
        return;
    };
    let meeting = Meeting { worker, listener, peer, destination, opened, admission };
    meeting.serve(Socket::new(stream)).await;
}

/// Counts and logs a connection that goes nowhere.
fn refuse(worker: &Worker, peer: SocketAddr, reason: ErrorKind) {
    ConnectionRefused { worker, direction: Direction::Inbound, peer, reason }.emit();
}

/// Why what is not mesh TLS is refused.
pub(crate) fn plaintext_detail(what: &str, peer: SocketAddr, destination: SocketAddr) -> String {
    format!("{what} from {peer} to {destination} where mesh TLS is demanded")
}

/// A connection of which it is not known yet what it is.
struct Meeting {
    worker: Rc<Worker>,
    listener: Arc<Listener>,
    peer: SocketAddr,
    destination: SocketAddr,
    opened: Instant,
    admission: Admission,
}

impl Meeting {
    /// Looks at the first bytes, chooses a chain and serves.
    async fn serve(self, mut socket: Socket) {
        let greets = self.greeting_chain();
        let wait = if greets.is_some() { MOMENT } else { FIRST_BYTES };
        match detect::hello(&mut socket, wait).await {
            First::Tls(offer) => self.tls(socket, &offer).await,
            First::Other => self.plaintext(socket).await,
            // Probes connect and close; nothing was asked for.
            First::Closed => {}
            First::Silent => match greets {
                Some(chain) if socket.buffered().is_empty() => Box::pin(self.silent(socket, &chain)).await,
                Some(_) | None => self.late(socket).await,
            },
        }
    }

    /// The chain by which the application may speak first: where plaintext is permitted.
    fn greeting_chain(&self) -> Option<Arc<FilterChain>> {
        let chain = self.choose(TransportProtocol::Raw, "", &[])?;
        let plain = chain.tls.is_none() && self.listener.inspect.continue_on_timeout;
        (plain && matches!(chain.terminal, Terminal::Tcp(_))).then_some(chain)
    }

    /// Serves a connection whose first bytes take long.
    async fn late(self, mut socket: Socket) {
        match detect::hello(&mut socket, FIRST_BYTES).await {
            First::Tls(offer) => self.tls(socket, &offer).await,
            First::Other => self.plaintext(socket).await,
            First::Closed => {}
            First::Silent => refuse(&self.worker, self.peer, ErrorKind::RequestTimeout),
        }
    }

    /// Serves a connection that starts with a ClientHello.
    async fn tls(self, socket: Socket, offer: &Offer) {
        let names: Vec<&str> = offer.protocols.iter().map(String::as_str).collect();
        let Some(chain) = self.choose(TransportProtocol::Tls, &offer.server_name, &names) else {
            return self.refuse_plaintext("TLS that is not the mesh's");
        };
        let Some(config) = &chain.tls else {
            // TLS of the application's own, let through as bytes.
            let connection = self.connection(None, &offer.server_name);
            return super::serve(connection, &chain, Io::Plain(socket), Some(Payload::Tcp)).await;
        };
        if let Ok((io, caller)) = Box::pin(tls::accept::accept(&self.worker, config, socket, self.peer)).await {
            let payload = tls::payload(io.alpn());
            let connection = self.connection(Some(caller), &offer.server_name);
            super::serve(connection, &chain, io, payload).await;
        }
    }

    /// Serves a connection without TLS, if there is a chain for it.
    async fn plaintext(self, mut socket: Socket) {
        let payload = if self.listener.inspect.http {
            detect::payload(&mut socket, self.listener.inspect.timeout).await
        } else {
            None
        };
        let protocol = payload.map_or(&[][..], detect::protocol_names);
        let Some(chain) = self.choose(TransportProtocol::Raw, "", protocol) else {
            return self.refuse_plaintext("plaintext");
        };
        if chain.tls.is_some() {
            return self.refuse_plaintext("plaintext");
        }
        let connection = self.connection(None, "");
        super::serve(connection, &chain, Io::Plain(socket), payload).await;
    }

    /// Serves a connection on which the caller says nothing at first: the application may have to speak before it does.
    async fn silent(self, socket: Socket, chain: &FilterChain) {
        let Terminal::Tcp(proxy) = &chain.terminal else {
            return;
        };
        let connection = self.connection(None, "");
        if !guard::may_connect(chain, &connection) {
            // Not even dialled; what the caller says decides how it is refused.
            return self.late(socket).await;
        }
        let inspect = Inspect { http: true, ..self.listener.inspect };
        let habit = self.worker.habits.of(self.destination.port());
        let Some(heard) = speak_first::listen(&connection, &habit, inspect, Some(proxy), socket).await else {
            return;
        };
        if heard.upstream.is_some() && heard.socket.buffered().is_empty() {
            // Held for as long as the connection lives.
            let Some(_permits) = guard::admit(chain, &connection).await else { return };
            return tcp::exchange::run(&connection, proxy, Io::Plain(heard.socket), heard.upstream).await;
        }
        self.late(heard.socket).await;
    }

    fn choose(&self, transport: TransportProtocol, server_name: &str, protocols: &[&str]) -> Option<Arc<FilterChain>> {
        let (destination, source, direct_source) = (self.destination, self.peer, self.peer);
        let met = Met { destination, source, direct_source, transport, server_name, protocols };
        self.listener.choose(&met).map(Arc::clone)
    }

    /// Refuses what is not mesh TLS: counted and logged.
    fn refuse_plaintext(self, what: &str) {
        let connection = self.connection(None, "");
        let callee = Callee::of(&connection, &self.listener.name);
        let detail = plaintext_detail(what, self.peer, self.destination);
        let reason = ErrorKind::PlaintextRefused;
        Denied {
            connection: &connection,
            callee: &callee,
            reason,
            detail: &detail,
            protocol: Protocol::Tcp,
            request: None,
            enforced: true,
        }
        .emit();
    }

    /// The connection, now that it is known what it is.
    fn connection(&self, caller: Option<Proved>, server_name: &str) -> Rc<Connection> {
        let (caller, tls) = caller.map_or((None, None), Proved::parts);
        Rc::new(Connection {
            worker: Rc::clone(&self.worker),
            direction: Direction::Inbound,
            peer: self.peer,
            direct_peer: self.peer,
            original_destination: self.destination,
            restored: true,
            additions: Box::default(),
            source: self.worker.callers.labels(caller.as_ref()),
            mtls: caller.is_some(),
            tls,
            identity: caller.map(|caller| caller.identity),
            server_name: server_name.into(),
            opened: self.opened,
            admission: self.admission,
            drain: None,
            client_certificate: OnceCell::new(),
            limiters: OnceCell::new(),
        })
    }
}
