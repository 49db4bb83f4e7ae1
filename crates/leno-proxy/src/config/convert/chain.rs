//! Filter chains ([`envoy.config.listener.v3.FilterChain`]).
//!
//! [`envoy.config.listener.v3.FilterChain`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/listener/v3/listener_components.proto#config-listener-v3-filterchain

use std::sync::Arc;

use leno_engine::authorization::Cidr;
use leno_proto::{
    google::protobuf::Any,
    v3::{
        core::CidrRange,
        http_connection_manager::HttpConnectionManager,
        listener::{
            Filter, FilterChain as Proto, FilterChainMatch, filter::ConfigType,
            filter_chain_match::ConnectionSourceType,
        },
        tcp_proxy,
    },
};

use super::{
    super::{
        ChainMatch, FilterChain, Fingerprint, Guard, Life, Registry, ServerName, SourceType, Terminal,
        TransportProtocol,
    },
    check::{Check, at, join},
    guard, manager, origin, rbac, tcp, tls,
};

pub(super) fn convert(check: &mut Check, path: &str, mut proto: Proto, registry: &mut Registry) -> Option<FilterChain> {
    // Metadata is for people, and what is in it has no order.
    let said = Proto { metadata: None, ..proto.clone() };
    let life = Life { fingerprint: Fingerprint::of(&said), ..Life::default() };
    let name: Arc<str> = std::mem::take(&mut proto.name).into();
    let matches = proto.filter_chain_match.take();
    let matches = matches.map(|proto| chain_match(check, &join(path, "filter_chain_match"), proto)).unwrap_or_default();
    let socket = proto.transport_socket.take();
    let tls = socket.and_then(|socket| tls::downstream(check, &join(path, "transport_socket"), socket, registry));
    let tls = tls.map(Arc::new);
    let mut guards = Vec::new();
    let mut terminal = None;
    let mut complete = true;
    for (index, filter) in std::mem::take(&mut proto.filters).into_iter().enumerate() {
        let path = at(path, "filters", index);
        if terminal.is_some() {
            check.wrong(&path, filter.name.clone(), "nothing after http_connection_manager or tcp_proxy");
            continue;
        }
        match convert_filter(check, &path, filter, registry) {
            Some(Made::Guard(made)) => guards.push(made),
            Some(Made::Terminal(made)) => terminal = Some(made),
            // What is wrong with it has been said; it may have been the end.
            None => complete = false,
        }
    }
    if terminal.is_none() && complete {
        check.wrong(
            &join(path, "filters"),
            "without an end",
            "http_connection_manager or tcp_proxy as the last filter",
        );
    }
    let origins = origin::convert(check, &join(path, "metadata"), &mut proto.metadata);
    check.rest(path, &proto);
    Some(FilterChain { name, matches, tls, guards, terminal: terminal?, origins, life })
}

/// What a network filter is.
enum Made {
    Guard(Guard),
    Terminal(Terminal),
}

fn convert_filter(check: &mut Check, path: &str, mut filter: Filter, registry: &mut Registry) -> Option<Made> {
    let name = std::mem::take(&mut filter.name);
    let config: Any = match filter.config_type.take() {
        Some(ConfigType::TypedConfig(config)) => config,
        Some(ConfigType::ConfigDiscovery(_)) => {
            return check.unsupported(path, "config_discovery", "typed_config");
        }
        None => {
            check.wrong(path, name, "a filter with typed_config");
            return None;
        }
    };
    check.rest(path, &filter);
    let path = join(path, "typed_config");
    // The type decides, as in Envoy; the name is for people.
    match config.type_url.rsplit('/').next().unwrap_or_default() {
        guard::ACCESS => {
            let proto = check.unpack(&path, &config)?;
            guard::access(check, &path, proto).map(Made::Guard)
        }
        guard::RATE => {
            let proto = check.unpack(&path, &config)?;
            guard::rate(check, &path, proto).map(Made::Guard)
        }
        guard::SERVICE => {
            let proto = check.unpack(&path, &config)?;
            guard::service(check, &path, proto, registry).map(Made::Guard)
        }
        guard::CONNECTIONS => {
            let proto = check.unpack(&path, &config)?;
            guard::connections(check, &path, proto).map(Made::Guard)
        }
        "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy" => {
            let proto = check.unpack::<tcp_proxy::TcpProxy>(&path, &config)?;
            tcp::convert(check, &path, proto, registry).map(|tcp| Made::Terminal(Terminal::Tcp(Arc::new(tcp))))
        }
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager" => {
            let proto = check.unpack::<HttpConnectionManager>(&path, &config)?;
            let made = manager::convert(check, &path, proto, registry);
            made.map(|manager| Made::Terminal(Terminal::Http(Arc::new(manager))))
        }
        other => {
            check.wrong(
                &path,
                other,
                "a filter that Leno has: RBAC, LocalRateLimit, RateLimit, ConnectionLimit, TcpProxy or HttpConnectionManager",
            );
            None
        }
    }
}

fn chain_match(check: &mut Check, path: &str, mut proto: FilterChainMatch) -> ChainMatch {
    let destination_port = proto.destination_port.take().and_then(|port| {
        let number = u16::try_from(port.value).ok().filter(|port| *port != 0);
        if number.is_none() {
            check.wrong(&join(path, "destination_port"), port.value.to_string(), "1 to 65535");
        }
        number
    });
    let transport = match std::mem::take(&mut proto.transport_protocol).as_str() {
        "" => None,
        "tls" => Some(TransportProtocol::Tls),
        "raw_buffer" => Some(TransportProtocol::Raw),
        other => {
            check.wrong(&join(path, "transport_protocol"), other, "tls or raw_buffer");
            None
        }
    };
    let application_protocols = std::mem::take(&mut proto.application_protocols);
    let destinations = ranges(check, path, "prefix_ranges", std::mem::take(&mut proto.prefix_ranges));
    let sources = ranges(check, path, "source_prefix_ranges", std::mem::take(&mut proto.source_prefix_ranges));
    let direct = std::mem::take(&mut proto.direct_source_prefix_ranges);
    let direct_sources = ranges(check, path, "direct_source_prefix_ranges", direct);
    let number = std::mem::take(&mut proto.source_type);
    let source_type = match ConnectionSourceType::try_from(number) {
        Ok(ConnectionSourceType::Any) => SourceType::Any,
        Ok(ConnectionSourceType::SameIpOrLoopback) => SourceType::Local,
        Ok(ConnectionSourceType::External) => SourceType::External,
        Err(_) => {
            check.wrong(&join(path, "source_type"), number.to_string(), "one of its values");
            SourceType::Any
        }
    };
    let source_ports = std::mem::take(&mut proto.source_ports).into_iter().enumerate().filter_map(|(index, port)| {
        let made = u16::try_from(port).ok();
        if made.is_none() {
            check.wrong(&at(path, "source_ports", index), port.to_string(), "a port");
        }
        made
    });
    let source_ports = source_ports.collect();
    let names = std::mem::take(&mut proto.server_names).into_iter().enumerate();
    let server_names =
        names.filter_map(|(index, name)| server_name(check, &at(path, "server_names", index), &name)).collect();
    check.rest(path, &proto);
    ChainMatch {
        destination_port,
        destinations,
        server_names,
        transport,
        application_protocols: application_protocols.into_iter().map(Into::into).collect(),
        direct_sources,
        source_type,
        sources,
        source_ports,
    }
}

fn ranges(check: &mut Check, path: &str, field: &str, protos: Vec<CidrRange>) -> Vec<Cidr> {
    let protos = protos.into_iter().enumerate();
    protos.filter_map(|(index, range)| rbac::cidr(check, &at(path, field, index), &range)).collect()
}

/// A name, or `*.` and the end of names. Other wildcards Envoy refuses as well.
fn server_name(check: &mut Check, path: &str, name: &str) -> Option<ServerName> {
    let lower = name.to_ascii_lowercase();
    let made = match lower.strip_prefix('*') {
        Some(suffix) if suffix.starts_with('.') && suffix.len() > 1 => ServerName::Suffix(suffix.into()),
        None if !lower.is_empty() => ServerName::Exact(lower.as_str().into()),
        Some(_) | None => {
            check.wrong(path, name, "a host, or *. and the end of hosts");
            return None;
        }
    };
    if lower.get(1..).is_some_and(|rest| rest.contains('*')) {
        check.wrong(path, name, "a host, or *. and the end of hosts");
    }
    Some(made)
}
