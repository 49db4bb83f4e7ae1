//! Listeners: what happens to a connection before it is known what it is.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use leno_engine::authorization::Rbac;
use leno_tls::{Identity, TlsError};

use super::{HttpConnectionManager, TcpProxy};

/// What happens to connections to one original destination, or to all that reaches the workload.
#[derive(Debug)]
pub struct Listener {
    /// The resource's name.
    pub name: Arc<str>,
    /// The chains to choose from.
    pub filter_chains: Vec<Arc<FilterChain>>,
    /// The chain for what matches none of them.
    pub default_filter_chain: Option<Arc<FilterChain>>,
    /// What must be looked at before a chain can be chosen.
    pub inspect: Inspect,
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
    /// Who may connect at all; `None`: anybody. For HTTP the request's rules are in the connection manager.
    pub rbac: Option<Arc<Rbac>>,
    /// What is done with the bytes.
    pub terminal: Terminal,
}

/// What ends a filter chain.
#[derive(Debug)]
pub enum Terminal {
    /// HTTP.
    Http(Arc<HttpConnectionManager>),
    /// Bytes.
    Tcp(Arc<TcpProxy>),
}

/// Which connections a filter chain is for. Absent means any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainMatch {
    /// The original destination's port.
    pub destination_port: Option<u16>,
    /// What carries the bytes.
    pub transport: Option<TransportProtocol>,
    /// The protocols of ALPN, or of the first bytes (`http/1.0`, `http/1.1`, `h2c`); empty: any.
    pub application_protocols: Vec<Box<str>>,
}

/// What carries the bytes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransportProtocol {
    /// `raw_buffer`: nothing else.
    Raw,
    /// `tls`.
    Tls,
}

/// TLS towards the caller: the workload's own certificate, and callers verified against the trust bundle; a caller
/// without a certificate is always refused.
#[derive(Debug)]
pub struct DownstreamTls {
    /// The protocols offered, most wanted first.
    pub alpn: Vec<Box<str>>,
    /// The rustls configuration, made at the first handshake. It follows rotation by itself.
    config: OnceLock<Arc<rustls::ServerConfig>>,
}

impl DownstreamTls {
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

impl Listener {
    /// The chain for a connection: of the chains with its port, else of those with none; of these the ones with its
    /// transport, else those with none; and likewise for the protocols ([Envoy's order]): those that ALPN offers, or
    /// the one that the first bytes show.
    ///
    /// [Envoy's order]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/listener/v3/listener_components.proto#config-listener-v3-filterchainmatch
    #[must_use]
    pub fn choose(&self, port: u16, transport: TransportProtocol, protocols: &[&str]) -> Option<&Arc<FilterChain>> {
        let with_port = |chain: &FilterChain| chain.matches.destination_port.map(|wanted| wanted == port);
        let with_transport = |chain: &FilterChain| chain.matches.transport.map(|wanted| wanted == transport);
        let with_protocol = |chain: &FilterChain| {
            let wanted = &chain.matches.application_protocols;
            (!wanted.is_empty()).then(|| protocols.iter().any(|protocol| wanted.iter().any(|w| **w == **protocol)))
        };
        let chains: Vec<_> = self.filter_chains.iter().collect();
        let chains = narrow(chains, with_port);
        let chains = narrow(chains, with_transport);
        let chains = narrow(chains, with_protocol);
        chains.first().copied().or(self.default_filter_chain.as_ref())
    }
}

/// The chains that ask for this very value; when there are none, those that ask for nothing.
fn narrow(chains: Vec<&Arc<FilterChain>>, matches: impl Fn(&FilterChain) -> Option<bool>) -> Vec<&Arc<FilterChain>> {
    let (mut exact, mut any) = (Vec::new(), Vec::new());
    for chain in chains {
        match matches(chain) {
            Some(true) => exact.push(chain),
            Some(false) => {}
            None => any.push(chain),
        }
    }
    if exact.is_empty() { any } else { exact }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(
        name: &str,
        port: Option<u16>,
        transport: Option<TransportProtocol>,
        protocols: &[&str],
    ) -> Arc<FilterChain> {
        Arc::new(FilterChain {
            name: name.into(),
            matches: ChainMatch {
                destination_port: port,
                transport,
                application_protocols: protocols.iter().map(|p| (*p).into()).collect(),
            },
            tls: None,
            rbac: None,
            terminal: Terminal::Tcp(Arc::new(TcpProxy {
                stat_prefix: name.into(),
                clusters: vec![],
                idle_timeout: Duration::ZERO,
                access_log: false,
            })),
        })
    }

    #[test]
    fn the_most_specific_chain_is_chosen() {
        use TransportProtocol::{Raw, Tls};
        let listener = Listener {
            name: "inbound".into(),
            filter_chains: vec![
                chain("80 http", Some(80), Some(Tls), &["leno-h2"]),
                chain("80 tcp", Some(80), Some(Tls), &["leno-tcp"]),
                chain("any http", None, Some(Tls), &["leno-h2"]),
                chain("any raw http", None, Some(Raw), &["h2c"]),
                chain("any raw", None, Some(Raw), &[]),
            ],
            default_filter_chain: None,
            inspect: Inspect::default(),
        };
        let choose = |port, transport, protocols: &[&str]| {
            listener.choose(port, transport, protocols).map_or("-".to_owned(), |chain| chain.name.to_string())
        };
        assert_eq!(choose(80, Tls, &["leno-tcp"]), "80 tcp");
        assert_eq!(choose(80, Tls, &["x", "leno-h2"]), "80 http");
        assert_eq!(choose(81, Tls, &["leno-h2"]), "any http");
        assert_eq!(choose(81, Tls, &["leno-tcp"]), "-");
        assert_eq!(choose(81, Raw, &["h2c"]), "any raw http");
        assert_eq!(choose(81, Raw, &[]), "any raw");
        // Envoy does not go back to less specific ports either.
        assert_eq!(choose(80, Raw, &[]), "-");
    }
}
