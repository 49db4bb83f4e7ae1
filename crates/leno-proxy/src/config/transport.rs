//! What connections to endpoints are made of.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use leno_engine::proxy_protocol::{self, Addition, Addresses, Version};
use leno_model::SpiffeId;
use leno_tls::{Identity, TlsError, config::dns_client};

use super::{endpoint::MatchLabels, tls::ClientContext};
use crate::connection::{Connection, Payload};

/// How the sockets of connections to endpoints are opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DialSocket {
    /// The keep-alive probes; `None`: the usual ones.
    pub keepalive: Option<Keepalive>,
    /// The address that is dialled from; `None`: the system's choice.
    pub source: Option<SocketAddr>,
    /// Whether that may be an address that is not there (yet).
    pub freebind: bool,
}

/// Keep-alive probes ([`TcpKeepalive`]); what is not said is the system's choice.
///
/// [`TcpKeepalive`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/core/v3/address.proto#config-core-v3-tcpkeepalive
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keepalive {
    /// After how long a silence.
    pub time: Option<Duration>,
    /// How far apart.
    pub interval: Option<Duration>,
    /// How many without an answer mean the end.
    pub probes: Option<u32>,
}

/// A transport for the endpoints whose metadata matches.
#[derive(Debug)]
pub struct TransportMatch {
    /// Its name.
    pub name: Box<str>,
    /// All of these must be in the endpoint's `envoy.transport_socket_match` metadata; empty: every endpoint.
    pub labels: MatchLabels,
    /// What protects the connection.
    pub transport: Transport,
}

/// What a connection to an endpoint is made of.
#[derive(Clone, Debug)]
pub struct Transport {
    /// What is told before all else of who called; `None`: nothing.
    pub header: Option<ProxyHeader>,
    /// What protects it.
    pub security: Security,
}

/// What is told of who called ([PROXY protocol]).
///
/// [PROXY protocol]: https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyHeader {
    /// In which form.
    pub version: Version,
    /// Which of the caller's own additions are passed on.
    pub pass: Passed,
}

impl ProxyHeader {
    /// The header for a caller.
    #[must_use]
    pub fn told(&self, caller: &Connection) -> Vec<u8> {
        let addresses = Addresses { source: caller.peer, destination: caller.original_destination };
        let passes = |addition: &&Addition| self.pass.has(addition.kind);
        let additions: Vec<_> = caller.additions.iter().filter(passes).cloned().collect();
        proxy_protocol::write(self.version, Some(addresses), &additions)
    }

    /// The header where nobody called: of a connection between these two.
    #[must_use]
    pub fn own(&self, source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
        let addresses = (self.version == Version::V1).then_some(Addresses { source, destination });
        proxy_protocol::write(self.version, addresses, &[])
    }
}

impl Passed {
    /// Whether additions of this kind are passed on.
    #[must_use]
    pub fn has(&self, kind: u8) -> bool {
        match self {
            Self::All => true,
            Self::Types(kinds) => kinds.contains(&kind),
        }
    }
}

/// Which of the caller's additions to a PROXY header are passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passed {
    /// All.
    All,
    /// Those of these types.
    Types(Vec<u8>),
}

/// What protects a connection to an endpoint.
#[derive(Clone, Debug)]
pub enum Security {
    /// Nothing.
    Plain,
    /// Mutual TLS between workloads.
    MeshTls(Arc<UpstreamTls>),
    /// TLS of the configuration's own.
    Tls(Arc<ClientContext>),
    /// TLS with the control plane.
    Named(Arc<NamedServer>),
}

impl Security {
    /// A number that no other settings in this process have; 0 for those of nothing.
    #[must_use]
    pub fn id(&self) -> u64 {
        match self {
            Self::Plain => 0,
            Self::MeshTls(tls) => tls.id(),
            Self::Tls(context) => context.id(),
            Self::Named(server) => server.id,
        }
    }
}

/// Mutual TLS towards an endpoint.
#[derive(Debug)]
pub struct UpstreamTls {
    /// The identities that are accepted; never empty.
    pub identities: Vec<SpiffeId>,
    /// No other in this process has the same: a pooled connection is used again only under the settings it was made with.
    id: u64,
    /// The rustls configurations by payload, made at the first handshake. They follow rotation by themselves.
    configs: [OnceLock<Arc<rustls::ClientConfig>>; 3],
}

impl UpstreamTls {
    /// TLS towards one of these.
    #[must_use]
    pub fn new(identities: Vec<SpiffeId>) -> Self {
        Self { identities, id: transport_id(), configs: Default::default() }
    }

    /// A number that no other settings in this process have; never 0.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The rustls configuration for a handshake as this workload.
    ///
    /// # Errors
    /// When rustls refuses it.
    pub fn config(&self, identity: &Identity, payload: Payload) -> Result<Arc<rustls::ClientConfig>, TlsError> {
        let [http1, http2, tcp] = &self.configs;
        let place = match payload {
            Payload::Http1 => http1,
            Payload::Http2 => http2,
            Payload::Tcp => tcp,
        };
        if let Some(config) = place.get() {
            return Ok(Arc::clone(config));
        }
        let config = identity.client_config(&self.identities, payload.alpn())?;
        Ok(Arc::clone(place.get_or_init(|| config)))
    }
}

/// TLS with a server that is known by its DNS name and asks who the workload is.
#[derive(Debug)]
pub struct NamedServer {
    /// The name that its certificate must have.
    pub name: String,
    /// The file (PEM) with the roots that it is verified against; read at each connection, so that it may be replaced.
    ca_file: PathBuf,
    /// No other in this process has the same.
    id: u64,
}

impl NamedServer {
    /// TLS with the server of this name.
    #[must_use]
    pub fn new(name: String, ca_file: PathBuf) -> Self {
        Self { name, ca_file, id: transport_id() }
    }

    /// The rustls configuration for a handshake as this workload. HTTP/2 is spoken.
    ///
    /// # Errors
    /// When the roots cannot be read or used.
    pub fn config(&self, identity: &Identity) -> Result<Arc<rustls::ClientConfig>, RootsError> {
        let pem = std::fs::read_to_string(&self.ca_file)
            .map_err(|error| RootsError::Read { file: self.ca_file.clone(), error })?;
        dns_client(&pem, Some(identity), &["h2"]).map_err(RootsError::Tls)
    }
}

/// Why roots cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// They cannot be read.
    #[error("read the roots {file}: {error}")]
    Read {
        /// Where they are.
        file: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// They are none.
    #[error(transparent)]
    Tls(TlsError),
}

/// The next number for settings of a transport.
pub(super) fn transport_id() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}
