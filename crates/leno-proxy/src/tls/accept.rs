//! The accepting side of a handshake.

use std::{net::SocketAddr, rc::Rc, time::Duration};

use leno_model::SpiffeId;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::{Failure, failure, is_resumed, peer};
use crate::{
    config::DownstreamTls,
    connection::Direction,
    error::{ErrorKind, ProxyError},
    io::{Io, Socket},
    telemetry::event::{HandshakeError, HandshakeFinished},
    worker::Worker,
};

/// How long a handshake may take.
pub(crate) const HANDSHAKE: Duration = Duration::from_secs(10);

/// Who a caller is, as its certificate says.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Its identity.
    pub identity: SpiffeId,
    /// The name of what made it, for telemetry; empty when the certificate does not tell.
    pub workload: Box<str>,
}

/// Accepts mesh TLS and says who the caller is.
///
/// # Errors
/// `DownstreamTls`; it has been counted and logged.
pub async fn accept(
    worker: &Rc<Worker>,
    tls: &DownstreamTls,
    socket: Socket,
    from: SocketAddr,
) -> Result<(Io, Caller), ProxyError> {
    let result = handshake(worker, tls, socket).await;
    let resumed = matches!(&result, Ok((_, _, true)));
    let error = result.as_ref().err().map(|failure| (failure.kind, failure.detail.as_str()));
    HandshakeFinished { worker, direction: Direction::Inbound, peer: from, error, resumed }.emit();
    match result {
        Ok((io, caller, _)) => Ok((io, caller)),
        Err(failure) => Err(ProxyError::new(ErrorKind::DownstreamTls, failure.detail)),
    }
}

/// Shakes hands; also says whether a session was resumed.
async fn handshake(worker: &Rc<Worker>, tls: &DownstreamTls, socket: Socket) -> Result<(Io, Caller, bool), Failure> {
    let broken = |detail: String| Failure { kind: HandshakeError::Io, detail };
    let Some(identity) = worker.shared.credentials.identity() else {
        return Err(broken("the proxy has no certificate yet".into()));
    };
    let config = tls.config(identity).map_err(|error| broken(error.to_string()))?;
    let stream = match timeout(HANDSHAKE, TlsAcceptor::from(config).accept(socket)).await {
        Ok(stream) => stream.map_err(|error| failure(&error))?,
        Err(_) => {
            return Err(Failure { kind: HandshakeError::Timeout, detail: "took too long".into() });
        }
    };
    let state = stream.get_ref().1;
    let resumed = is_resumed(state);
    let identity = peer(state, |chain| identity.verify_client(chain))?;
    let workload = state.peer_certificates().and_then(leno_tls::peer_workload).unwrap_or_default().into();
    Ok((Io::Accepted(Box::new(stream)), Caller { identity, workload }, resumed))
}
