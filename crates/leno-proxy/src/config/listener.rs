//! Listeners: what happens to a connection before it is known what it is.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use leno_engine::proxy_protocol::Version;
use leno_proto::any;
use leno_tls::{Identity, TlsError};
use leno_xds::Resource;
use prost::{Message, Name};

use super::{ChainMatch, Drain, Guard, HttpConnectionManager, Passed, TcpProxy, tls::ServerContext};

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
    /// How long it is in use.
    pub life: Life,
}

impl FilterChain {
    /// Whether its connections are passed on as bytes.
    #[must_use]
    pub fn is_tcp(&self) -> bool {
        matches!(self.terminal, Terminal::Tcp(_))
    }
}

/// How long a chain is in use: through changes of its listener, as long as it stays as it is.
#[derive(Clone, Debug, Default)]
pub struct Life {
    /// Equal for chains that say the same.
    pub fingerprint: Fingerprint,
    /// Whether its connections are let go of.
    pub drain: Arc<Drain>,
}

/// What a message says, to be compared: equal for messages that say the same.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Fingerprint(Arc<str>);

impl Fingerprint {
    /// That of a message.
    #[must_use]
    pub fn of<M: Message + Name>(message: &M) -> Self {
        Self(Resource::new("", any::pack(message)).version)
    }
}

/// Without its value: what was made of the message shows what it says, and the rest of it is ignored.
impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fingerprint").finish_non_exhaustive()
    }
}

impl Listener {
    /// Every chain.
    pub fn chains(&self) -> impl Iterator<Item = &Arc<FilterChain>> {
        self.filter_chains.iter().chain(&self.default_filter_chain)
    }

    /// This listener with those chains of an earlier version that say the same, so that their connections go on.
    #[must_use]
    pub fn taking_over(&self, earlier: &Self) -> Self {
        let kept = |chain: &Arc<FilterChain>| {
            let mut same = earlier.chains().filter(|old| old.life.fingerprint == chain.life.fingerprint);
            Arc::clone(same.find(|old| !old.life.drain.has_begun()).unwrap_or(chain))
        };
        Self {
            name: Arc::clone(&self.name),
            filter_chains: self.filter_chains.iter().map(kept).collect(),
            default_filter_chain: self.default_filter_chain.as_ref().map(kept),
            introduction: self.introduction.clone(),
            inspect: self.inspect,
        }
    }
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
