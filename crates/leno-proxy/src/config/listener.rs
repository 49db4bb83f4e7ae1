//! Listeners: what happens to a connection before it is known what it is.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use leno_engine::proxy_protocol::Version;
use leno_tls::{Identity, TlsError};

use super::{ChainMatch, Guard, HttpConnectionManager, Passed, TcpProxy, tls::ServerContext};

/// What happens to connections to one original destination, or to all that reaches the workload.
#[derive(Debug)]
pub struct Listener {
    /// The resource's name.
    pub name: Arc<str>,
    /// The chains to choose from.
    pub filter_chains: Vec<Arc<FilterChain>>,
    /// The chain for what matches none of them.
    pub default_filter_chain: Option<Arc<FilterChain>>,
    /// The PROXY header that connections begin with; `None`: they have none.
    pub introduction: Option<Introduction>,
    /// What must be looked at before a chain can be chosen.
    pub inspect: Inspect,
}

/// The PROXY header that connections begin with ([`envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol`]).
///
/// [`envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/listener/proxy_protocol/v3/proxy_protocol.proto
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introduction {
    /// Whether connections without one are served all the same.
    pub optional: bool,
    /// The versions that are refused.
    pub refused: Vec<Version>,
    /// What is kept of its additions, to be passed on.
    pub keep: Passed,
}

/// What a listener looks at in the first bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inspect {
    /// Whether they are a TLS ClientHello (Envoy's `tls_inspector`).
    pub tls: bool,
    /// Whether they are HTTP (Envoy's `http_inspector`).
    pub http: bool,
    /// How long to wait for them; zero means for ever.
    pub timeout: Duration,
    /// Whether a connection that stays silent goes on (to the default chain) or is closed.
    pub continue_on_timeout: bool,
}

impl Inspect {
    /// How long may be looked, with an end for "for ever".
    #[must_use]
    pub fn time(&self) -> Duration {
        const FAR: Duration = Duration::from_secs(24 * 3600);
        if self.timeout.is_zero() { FAR } else { self.timeout }
    }
}

/// One way to treat a connection.
#[derive(Debug)]
pub struct FilterChain {
    /// Its name; may be empty.
    pub name: Arc<str>,
    /// Which connections it is for.
    pub matches: ChainMatch,
    /// TLS to terminate; `None`: what comes is taken as it is.
    pub tls: Option<Arc<DownstreamTls>>,
    /// What a connection has to pass, in this order. For HTTP the request's rules are in the connection manager.
    pub guards: Vec<Guard>,
    /// What is done with the bytes.
    pub terminal: Terminal,
    /// The objects that it was made of, for people.
    pub origins: Box<[Box<str>]>,
}

/// What ends a filter chain.
#[derive(Debug)]
pub enum Terminal {
    /// HTTP.
    Http(Arc<HttpConnectionManager>),
    /// Bytes.
    Tcp(Arc<TcpProxy>),
}

/// TLS towards the caller.
#[derive(Debug)]
pub enum DownstreamTls {
    /// The mesh's.
    Mesh(MeshTls),
    /// Of the configuration's own.
    Own(Box<ServerContext>),
}

/// TLS of the mesh: the workload's own certificate, and callers verified against the trust bundle; a caller without a
/// certificate is always refused.
#[derive(Debug)]
pub struct MeshTls {
    /// The protocols offered, most wanted first.
    pub alpn: Vec<Box<str>>,
    /// The rustls configuration, made at the first handshake. It follows rotation by itself.
    config: OnceLock<Arc<rustls::ServerConfig>>,
}

impl MeshTls {
    /// TLS that offers these protocols.
    #[must_use]
    pub fn new(alpn: Vec<Box<str>>) -> Self {
        Self { alpn, config: OnceLock::new() }
    }

    /// The rustls configuration for a handshake as this workload.
    ///
    /// # Errors
    /// When rustls refuses it.
    pub fn config(&self, identity: &Identity) -> Result<Arc<rustls::ServerConfig>, TlsError> {
        if let Some(config) = self.config.get() {
            return Ok(Arc::clone(config));
        }
        let alpn: Vec<&str> = self.alpn.iter().map(AsRef::as_ref).collect();
        let config = identity.server_config(&alpn)?;
        Ok(Arc::clone(self.config.get_or_init(|| config)))
    }
}
