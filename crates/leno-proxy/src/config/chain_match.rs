//! Which filter chain a connection gets ([`FilterChainMatch`]).
//!
//! [`FilterChainMatch`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/listener/v3/listener_components.proto#config-listener-v3-filterchainmatch

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use leno_engine::authorization::Cidr;

use super::{FilterChain, Listener};

/// Which connections a filter chain is for. What is empty or absent means any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainMatch {
    /// The original destination's port.
    pub destination_port: Option<u16>,
    /// The original destination's address.
    pub destinations: Vec<Cidr>,
    /// The name that a ClientHello asks for.
    pub server_names: Vec<ServerName>,
    /// What carries the bytes.
    pub transport: Option<TransportProtocol>,
    /// The protocols of ALPN, or of the first bytes (`http/1.0`, `http/1.1`, `h2c`).
    pub application_protocols: Vec<Box<str>>,
    /// The address of whoever connected, whatever a PROXY header says.
    pub direct_sources: Vec<Cidr>,
    /// Where the caller is, seen from here.
    pub source_type: SourceType,
    /// The caller's address.
    pub sources: Vec<Cidr>,
    /// The caller's port.
    pub source_ports: Vec<u16>,
}

/// Where a caller is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SourceType {
    /// Anywhere.
    #[default]
    Any,
    /// At the address that was dialled, or on the loopback.
    Local,
    /// Elsewhere.
    External,
}

/// What carries the bytes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransportProtocol {
    /// `raw_buffer`: nothing else.
    Raw,
    /// `tls`.
    Tls,
}

/// Names that a ClientHello asks for, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerName {
    /// This one.
    Exact(Box<str>),
    /// Those that end with this, of which the first byte is a dot (`*.example.com`).
    Suffix(Box<str>),
}

/// What is known of a connection when its chain is chosen.
#[derive(Clone, Copy, Debug)]
pub struct Met<'a> {
    /// Where it was meant for.
    pub destination: SocketAddr,
    /// Who called.
    pub source: SocketAddr,
    /// Who connected.
    pub direct_source: SocketAddr,
    /// What carries the bytes.
    pub transport: TransportProtocol,
    /// The name that its ClientHello asks for; empty when there is none.
    pub server_name: &'a str,
    /// The protocols that ALPN offers, or the one that the first bytes show.
    pub protocols: &'a [&'a str],
}

/// How well a chain fits in one regard: not at all, or the more the higher. `None`: it does not ask.
type Fit = Option<Option<usize>>;

/// One regard: how well a chain fits in it.
type Regard = fn(&ChainMatch, &Met<'_>) -> Fit;

impl Listener {
    /// Whether the name that a connection to this address asks for has a say in which chain it gets.
    #[must_use]
    pub fn asks_for_name(&self, destination: SocketAddr) -> bool {
        let here = |port: Option<u16>| port.is_none_or(|port| port == destination.port());
        let mut chains = self.filter_chains.iter().map(|chain| &chain.matches);
        self.inspect.tls && chains.any(|fits| !fits.server_names.is_empty() && here(fits.destination_port))
    }

    /// The chain for a connection. In one regard after the other, those that fit best go on; where none fits, those that
    /// do not ask. As in Envoy there is no way back from a regard.
    #[must_use]
    pub fn choose(&self, met: &Met<'_>) -> Option<&Arc<FilterChain>> {
        let regards: [Regard; 9] = [
            |chain, met| chain.destination_port.map(|port| (port == met.destination.port()).then_some(0)),
            |chain, met| range(&chain.destinations, met.destination.ip()),
            |chain, met| name(&chain.server_names, met.server_name),
            |chain, met| chain.transport.map(|transport| (transport == met.transport).then_some(0)),
            |chain, met| protocol(&chain.application_protocols, met.protocols),
            |chain, met| range(&chain.direct_sources, met.direct_source.ip()),
            |chain, met| chain.source_type.fit(met),
            |chain, met| range(&chain.sources, met.source.ip()),
            |chain, met| {
                let ports = &chain.source_ports;
                (!ports.is_empty()).then(|| ports.contains(&met.source.port()).then_some(0))
            },
        ];
        // Nearly all listeners have a chain or two that ask for little.
        let mut chains: Vec<_> = self.filter_chains.iter().collect();
        for regard in regards {
            chains = best(chains, |chain| regard(&chain.matches, met));
        }
        chains.first().copied().or(self.default_filter_chain.as_ref())
    }
}

impl SourceType {
    fn fit(self, met: &Met<'_>) -> Fit {
        let local = met.source.ip() == met.destination.ip() || met.source.ip().is_loopback();
        match self {
            Self::Any => None,
            Self::Local => Some(local.then_some(0)),
            Self::External => Some((!local).then_some(0)),
        }
    }
}

/// Those that fit best; where none does, those that do not ask.
fn best(chains: Vec<&Arc<FilterChain>>, fit: impl Fn(&FilterChain) -> Fit) -> Vec<&Arc<FilterChain>> {
    let most = chains.iter().filter_map(|chain| fit(chain).flatten()).max();
    chains.into_iter().filter(|chain| fit(chain).map_or(most.is_none(), |fit| fit.is_some() && fit == most)).collect()
}

/// The longest range that an address is in.
fn range(ranges: &[Cidr], address: IpAddr) -> Fit {
    let fits = ranges.iter().filter(|range| range.contains(address)).map(|range| usize::from(range.prefix()));
    (!ranges.is_empty()).then(|| fits.max())
}

/// The whole name, or the longest end of it.
fn name(names: &[ServerName], asked: &str) -> Fit {
    let asked = asked.to_ascii_lowercase();
    let fits = names.iter().filter_map(|name| match name {
        ServerName::Exact(exact) => (**exact == asked).then_some(usize::MAX),
        ServerName::Suffix(suffix) => {
            (asked.len() > suffix.len() && asked.ends_with(&**suffix)).then_some(suffix.len())
        }
    });
    (!names.is_empty()).then(|| fits.max())
}

fn protocol(wanted: &[Box<str>], protocols: &[&str]) -> Fit {
    let any = || protocols.iter().any(|protocol| wanted.iter().any(|wanted| **wanted == **protocol));
    (!wanted.is_empty()).then(|| any().then_some(0))
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Inspect, TcpProxy, Terminal},
        *,
    };

    fn chain(name: &str, matches: ChainMatch) -> Arc<FilterChain> {
        Arc::new(FilterChain {
            name: name.into(),
            matches,
            tls: None,
            guards: vec![],
            terminal: Terminal::Tcp(Arc::new(TcpProxy::new(name.into(), vec![]))),
            origins: Box::default(),
            life: super::super::Life::default(),
        })
    }

    fn listener(chains: Vec<Arc<FilterChain>>) -> Listener {
        Listener {
            name: "inbound".into(),
            filter_chains: chains,
            default_filter_chain: None,
            introduction: None,
            inspect: Inspect::default(),
        }
    }

    fn chosen(listener: &Listener, met: &Met<'_>) -> String {
        listener.choose(met).map_or("-".to_owned(), |chain| chain.name.to_string())
    }

    const NOBODY: Met<'_> = Met {
        destination: SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)), 80),
        source: SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 1, 1)), 5000),
        direct_source: SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 1, 1)), 5000),
        transport: TransportProtocol::Raw,
        server_name: "",
        protocols: &[],
    };

    #[test]
    fn the_most_specific_chain_is_chosen() {
        use TransportProtocol::{Raw, Tls};
        let of = |port, transport, protocols: &[&str]| ChainMatch {
            destination_port: port,
            transport,
            application_protocols: protocols.iter().map(|p| (*p).into()).collect(),
            ..ChainMatch::default()
        };
        let listener = listener(vec![
            chain("80 http", of(Some(80), Some(Tls), &["leno-h2"])),
            chain("80 tcp", of(Some(80), Some(Tls), &["leno-tcp"])),
            chain("any http", of(None, Some(Tls), &["leno-h2"])),
            chain("any raw http", of(None, Some(Raw), &["h2c"])),
            chain("any raw", of(None, Some(Raw), &[])),
        ]);
        let choose = |port, transport, protocols: &[&str]| {
            let destination = SocketAddr::from(([10, 0, 0, 1], port));
            chosen(&listener, &Met { destination, transport, protocols, ..NOBODY })
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

    #[test]
    fn names_and_ranges_fit_the_better_the_longer_they_are() {
        let cidr = |address: &str, prefix| Cidr::new(address.parse().unwrap(), prefix).unwrap();
        let named = |name| ChainMatch { server_names: vec![name], ..ChainMatch::default() };
        let listener = listener(vec![
            chain("any", ChainMatch::default()),
            chain("exact", named(ServerName::Exact("a.b.example".into()))),
            chain("long", named(ServerName::Suffix(".b.example".into()))),
            chain("short", named(ServerName::Suffix(".example".into()))),
            chain("far", ChainMatch { destinations: vec![cidr("10.9.0.0", 16)], ..ChainMatch::default() }),
            chain("wide", ChainMatch { sources: vec![cidr("10.8.0.0", 16)], ..ChainMatch::default() }),
            chain("close", ChainMatch { sources: vec![cidr("10.8.1.0", 24)], ..ChainMatch::default() }),
            chain("port", ChainMatch { source_ports: vec![7], ..ChainMatch::default() }),
        ]);
        let asked = |server_name| chosen(&listener, &Met { server_name, ..NOBODY });
        for (name, expected) in
            [("A.b.example", "exact"), ("x.b.example", "long"), ("b.example", "short"), ("example", "any"), ("", "any")]
        {
            assert_eq!(asked(name), expected, "{name}");
        }
        let from = |source: &str| chosen(&listener, &Met { source: source.parse().unwrap(), ..NOBODY });
        assert_eq!([from("10.8.1.1:1"), from("10.8.2.1:1"), from("10.7.0.1:7")], ["close", "wide", "port"]);
        let to = Met { destination: "10.9.0.1:80".parse().unwrap(), ..NOBODY };
        assert_eq!(chosen(&listener, &to), "far");
    }
}
