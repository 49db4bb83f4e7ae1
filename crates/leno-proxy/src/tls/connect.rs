//! The dialling side of a handshake.

use std::{net::SocketAddr, rc::Rc, sync::Arc};

use leno_model::SpiffeId;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Failure, failure, is_resumed, kind_of, peer};
use crate::{
    config::{NamedServer, UpstreamTls, tls::ClientContext},
    connection::{Direction, Payload},
    dial::Offer,
    error::{ErrorKind, ProxyError},
    io::{Io, Socket},
    telemetry::event::{HandshakeError, HandshakeFinished},
    worker::Worker,
};

/// Shakes hands with an endpoint of the mesh and says who it is. Its time is bounded by the caller.
///
/// # Errors
/// `UpstreamTls` or `UpstreamIdentity`; it has been counted and logged.
pub async fn mesh(
    worker: &Rc<Worker>,
    tls: &Arc<UpstreamTls>,
    payload: Payload,
    stream: TcpStream,
    to: SocketAddr,
) -> Result<(Io, SpiffeId), ProxyError> {
    finish(worker, to, handshake(worker, tls, payload, stream, to).await)
}

/// Shakes hands with an endpoint as a configuration asks for it; `to` is where it is and who it should be. Also tells what
/// it chose to speak. Its time is bounded by the caller.
///
/// # Errors
/// `UpstreamTls` or `UpstreamIdentity`; it has been counted and logged.
pub async fn own(
    worker: &Rc<Worker>,
    context: &ClientContext,
    offer: Offer,
    stream: TcpStream,
    to: (SocketAddr, ServerName<'static>),
) -> Result<(Io, Option<Payload>), ProxyError> {
    let (address, server) = to;
    finish(worker, address, own_handshake(context, offer, stream, server).await)
}

/// Shakes hands with the control plane and shows it who this workload is; `to` is where it is. Its time is bounded by the
/// caller.
///
/// # Errors
/// `UpstreamTls` or `UpstreamIdentity`; it has been counted and logged.
pub async fn named(
    worker: &Rc<Worker>,
    server: &NamedServer,
    stream: TcpStream,
    to: SocketAddr,
) -> Result<Io, ProxyError> {
    finish(worker, to, named_handshake(worker, server, stream).await).map(|(io, ())| io)
}

/// Counts and logs what a handshake came to.
fn finish<T>(worker: &Worker, peer: SocketAddr, result: Result<(Io, T, bool), Failure>) -> Result<(Io, T), ProxyError> {
    let resumed = matches!(&result, Ok((_, _, true)));
    let error = result.as_ref().err().map(|failure| (failure.kind, failure.detail.as_str()));
    HandshakeFinished { worker, direction: Direction::Outbound, peer, error, resumed }.emit();
    match result {
        Ok((io, server, _)) => Ok((io, server)),
        Err(failure) => {
            let kind = match failure.kind {
                HandshakeError::WrongIdentity | HandshakeError::BadCertificate | HandshakeError::NoCertificate => {
                    ErrorKind::UpstreamIdentity
                }
                HandshakeError::Protocol | HandshakeError::Io | HandshakeError::Timeout => ErrorKind::UpstreamTls,
            };
            Err(ProxyError::new(kind, failure.detail))
        }
    }
}

/// Shakes hands; no session is resumed.
async fn named_handshake(
    worker: &Rc<Worker>,
    server: &NamedServer,
    stream: TcpStream,
) -> Result<(Io, (), bool), Failure> {
    let broken = |detail: String| Failure { kind: HandshakeError::Io, detail };
    let identity = worker.shared.credentials.identity();
    let identity = identity.ok_or_else(|| broken("the proxy has no certificate yet".into()))?;
    let config = server.config(identity).map_err(|error| broken(error.to_string()))?;
    let name = ServerName::try_from(server.name.clone()).map_err(|error| broken(error.to_string()))?;
    let connected = TlsConnector::from(config).connect(name, Socket::new(stream)).await;
    let stream = connected.map_err(|error| failure(&error))?;
    Ok((Io::Dialed(Box::new(stream)), (), false))
}

/// Shakes hands; also says whether a session was resumed.
async fn own_handshake(
    context: &ClientContext,
    offer: Offer,
    stream: TcpStream,
    server: ServerName<'static>,
) -> Result<(Io, Option<Payload>, bool), Failure> {
    let ready = context.ready().map_err(|error| Failure { kind: HandshakeError::Io, detail: error.to_string() })?;
    let connector = TlsConnector::from(ready.config(offer));
    let stream = connector.connect(server.clone(), Socket::new(stream)).await.map_err(|error| failure(&error))?;
    let state = stream.get_ref().1;
    let resumed = is_resumed(state);
    if resumed {
        let verified = ready.dialling.verify(state.peer_certificates().unwrap_or_default(), &server);
        verified.map_err(|error| Failure { kind: kind_of(&error), detail: error.to_string() })?;
    }
    let chosen = super::payload(stream.get_ref().1.alpn_protocol());
    Ok((Io::Dialed(Box::new(stream)), chosen, resumed))
}

/// Shakes hands; also says whether a session was resumed.
async fn handshake(
    worker: &Rc<Worker>,
    tls: &Arc<UpstreamTls>,
    payload: Payload,
    stream: TcpStream,
    to: SocketAddr,
) -> Result<(Io, SpiffeId, bool), Failure> {
    let broken = |detail: String| Failure { kind: HandshakeError::Io, detail };
    let Some(identity) = worker.shared.credentials.identity() else {
        return Err(broken("the proxy has no certificate yet".into()));
    };
    let config = tls.config(identity, payload).map_err(|error| broken(error.to_string()))?;
    // Only the key of rustls' session memory: who the server is, is checked by its SPIFFE identity.
    let name = ServerName::from(to.ip());
    let stream =
        TlsConnector::from(config).connect(name, Socket::new(stream)).await.map_err(|error| failure(&error))?;
    let state = stream.get_ref().1;
    if state.alpn_protocol() != Some(payload.alpn().as_bytes()) {
        let detail = format!("the endpoint did not agree to {}", payload.alpn());
        return Err(Failure { kind: HandshakeError::Protocol, detail });
    }
    let resumed = is_resumed(state);
    let server = peer(state, |chain| identity.verify_server(chain, &tls.identities))?;
    Ok((Io::Dialed(Box::new(stream)), server, resumed))
}
