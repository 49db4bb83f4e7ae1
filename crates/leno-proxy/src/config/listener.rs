//! Listeners: what happens to a connection before it is known what it is.

use std::{sync::Arc, time::Duration};

use leno_engine::authorization::Rbac;

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

/// TLS towards the caller: the workload's own certificate, and callers verified against the trust bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DownstreamTls {
    /// The protocols offered, most wanted first.
    pub alpn: Vec<Vec<u8>>,
    /// Whether a caller without a certificate is refused.
    pub require_client_certificate: bool,
}

impl Listener {
    /// The chain for a connection: of the chains with its port, else of those with none; of these the ones with its
    /// transport, else those with none; and likewise for the protocol ([Envoy's order]).
    ///
    /// [Envoy's order]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/listener/v3/listener_components.proto#config-listener-v3-filterchainmatch
    #[must_use]
    pub fn choose(&self, port: u16, transport: TransportProtocol, protocol: Option<&str>) -> Option<&Arc<FilterChain>> {
        let with_port = |chain: &FilterChain| chain.matches.destination_port.map(|wanted| wanted == port);
        let with_transport = |chain: &FilterChain| chain.matches.transport.map(|wanted| wanted == transport);
        let with_protocol = |chain: &FilterChain| {
            let wanted = &chain.matches.application_protocols;
            (!wanted.is_empty()).then(|| protocol.is_some_and(|protocol| wanted.iter().any(|w| **w == *protocol)))
        };
        let chains: Vec<_> = self.filter_chains.iter().collect();
        let chains = narrow(chains, with_port);
        let chains = narrow(chains, with_transport);
        let chains = narrow(chains, with_protocol);
        chains.first().copied().or(self.default_filter_chain.as_ref())
    }
}

/// The chains that ask for this very value; when there are none, those that ask for nothing.
fn narrow<'a>(
    chains: Vec<&'a Arc<FilterChain>>,
    matches: impl Fn(&FilterChain) -> Option<bool>,
) -> Vec<&'a Arc<FilterChain>> {
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
