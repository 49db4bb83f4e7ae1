//! The accepting side of a handshake.

use std::{net::SocketAddr, rc::Rc, time::Duration};

use leno_model::SpiffeId;
use leno_tls::context::Peer;
use rustls::{pki_types::CertificateDer, server::Acceptor};
use tokio::time::timeout;
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor};

use super::{Failure, failure, is_resumed, kind_of, peer};
use crate::{
    config::{DownstreamTls, MeshTls, tls::ServerContext},
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

/// A caller over TLS of a configuration's own.
#[derive(Clone, Debug, Default)]
pub struct TlsCaller {
    /// Who it is; `None` when it showed no certificate.
    pub peer: Option<Peer>,
    /// The names by which rules know it.
    pub names: Box<[Box<str>]>,
    /// The first URI of our own certificate: as whom it was answered.
    pub own_uri: Option<Box<str>>,
}

/// What a handshake proved of a caller.
#[derive(Debug)]
pub enum Proved {
    /// Who it is in the mesh.
    Mesh(Caller),
    /// What its certificate says, if it showed one.
    Own(Box<TlsCaller>),
}

/// A finished handshake: the stream, who called, and whether a session was resumed.
type Finished = (Io, Proved, bool);

impl Proved {
    /// One or the other.
    #[must_use]
    pub fn parts(self) -> (Option<Caller>, Option<Box<TlsCaller>>) {
        match self {
            Self::Mesh(caller) => (Some(caller), None),
            Self::Own(caller) => (None, Some(caller)),
        }
    }
}

/// Accepts TLS and says who the caller is.
///
/// # Errors
/// `DownstreamTls`; it has been counted and logged.
pub async fn accept(
    worker: &Rc<Worker>,
    tls: &DownstreamTls,
    socket: Socket,
    from: SocketAddr,
) -> Result<(Io, Proved), ProxyError> {
    let handshake = async {
        match tls {
            DownstreamTls::Mesh(tls) => mesh(worker, tls, socket).await,
            DownstreamTls::Own(context) => own(context, socket).await,
        }
    };
    let late = || Failure { kind: HandshakeError::Timeout, detail: "took too long".into() };
    let result = timeout(HANDSHAKE, handshake).await.unwrap_or_else(|_| Err(late()));
    let resumed = matches!(&result, Ok((_, _, true)));
    let error = result.as_ref().err().map(|failure| (failure.kind, failure.detail.as_str()));
    HandshakeFinished { worker, direction: Direction::Inbound, peer: from, error, resumed }.emit();
    match result {
        Ok((io, caller, _)) => Ok((io, caller)),
        Err(failure) => Err(ProxyError::new(ErrorKind::DownstreamTls, failure.detail)),
    }
}

/// Shakes hands within the mesh.
async fn mesh(worker: &Rc<Worker>, tls: &MeshTls, socket: Socket) -> Result<Finished, Failure> {
    let broken = |detail: String| Failure { kind: HandshakeError::Io, detail };
    let Some(identity) = worker.shared.credentials.identity() else {
        return Err(broken("the proxy has no certificate yet".into()));
    };
    let config = tls.config(identity).map_err(|error| broken(error.to_string()))?;
    let stream = TlsAcceptor::from(config).accept(socket).await.map_err(|error| failure(&error))?;
    let state = stream.get_ref().1;
    let resumed = is_resumed(state);
    let identity = peer(state, |chain| identity.verify_client(chain))?;
    let workload = state.peer_certificates().and_then(leno_tls::peer_workload).unwrap_or_default().into();
    Ok((Io::Accepted(Box::new(stream)), Proved::Mesh(Caller { identity, workload }), resumed))
}

/// Shakes hands as a configuration asks for it.
async fn own(context: &ServerContext, socket: Socket) -> Result<Finished, Failure> {
    let ready = context.ready().map_err(|error| Failure { kind: HandshakeError::Io, detail: error.to_string() })?;
    let start = LazyConfigAcceptor::new(Acceptor::default(), socket).await.map_err(|error| failure(&error))?;
    let config = ready.config(&start.client_hello());
    let stream = start.into_stream(config).await.map_err(|error| failure(&error))?;
    let state = stream.get_ref().1;
    let resumed = is_resumed(state);
    let chain: &[CertificateDer<'static>] = state.peer_certificates().unwrap_or_default();
    let bad = |error: leno_tls::TlsError| Failure { kind: kind_of(&error), detail: error.to_string() };
    if resumed {
        ready.accepting.verify(chain).map_err(bad)?;
    }
    let peer = Peer::of(chain).map_err(bad)?;
    let names = peer.iter().flat_map(Peer::principals).map(Into::into).collect();
    let caller = TlsCaller { peer, names, own_uri: ready.own_uri().map(Into::into) };
    Ok((Io::Accepted(Box::new(stream)), Proved::Own(Box::new(caller)), resumed))
}
