//! What the application's own connections meet.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use leno_model::{
    ObjectRef, Protocol, Route, Service, Snapshot,
    mesh::OutboundPolicy,
    policy::TrafficSettings,
    resource_name,
    route::{StreamRule, TlsRule},
    snapshot::Destination,
};
use leno_proto::{
    any,
    google::protobuf::BoolValue,
    v3::{
        core::TrafficDirection,
        http_connection_manager::{HttpFilter, http_connection_manager::RouteSpecifier},
        listener::{ApiListener, Filter, FilterChain, FilterChainMatch, Listener},
        original_dst::OriginalDst,
    },
};

use super::{
    egress,
    filter::{self, SNIFFED_HTTP},
};
use crate::{
    Client, Scope, limit,
    message::{address, duration, http_filter, listener_filter, origins},
    port::workload_ports,
    route::{
        self,
        table::{self, Plan},
    },
    split::{self, Target},
    traffic::{
        self,
        rule::{self, Rule},
    },
};

/// The address that the virtual outbound listener is bound to.
const BIND: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 15001);

/// The listener of destinations that the mesh does not know.
pub(crate) fn unknown(snapshot: &Snapshot, scope: &Scope) -> Listener {
    let log = snapshot.mesh.access_log;
    let tcp = |cluster: &str| filter::tcp(cluster, &Target::Cluster(cluster.to_owned()), None, log);
    let to = |cluster: &str| Some(chain(tcp(cluster), Vec::new()));
    let default_filter_chain = match (snapshot.mesh.outbound_policy, scope.client) {
        (OutboundPolicy::AllowAny, _) => to(resource_name::PASSTHROUGH),
        (OutboundPolicy::RegistryOnly, Client::Leno) => None,
        // Envoy refuses a listener without any chain.
        (OutboundPolicy::RegistryOnly, Client::Envoy | Client::Grpc) => to(resource_name::BLACKHOLE),
    };
    let filter_chains = egress::chains(snapshot, scope);
    let mut listener_filters = vec![listener_filter("envoy.filters.listener.original_dst", any::pack(&OriginalDst {}))];
    let by_name = |chain: &FilterChain| chain.filter_chain_match.as_ref().is_some_and(|it| !it.server_names.is_empty());
    if filter_chains.iter().any(by_name) {
        listener_filters.push(filter::tls_inspector());
    }
    Listener {
        name: resource_name::OUTBOUND.to_owned(),
        address: Some(address(BIND)),
        traffic_direction: TrafficDirection::Outbound.into(),
        use_original_dst: Some(BoolValue { value: true }),
        listener_filters,
        listener_filters_timeout: Some(duration(limit::FIRST_BYTES)),
        // Where the server speaks first the client has nothing to say.
        continue_on_listener_filters_timeout: true,
        filter_chains,
        default_filter_chain,
        ..Default::default()
    }
}

/// The listener of one original destination; `None` when the mesh does not know it.
pub(crate) fn destination(snapshot: &Snapshot, scope: &Scope, original: SocketAddr) -> Option<Listener> {
    let log = snapshot.mesh.access_log;
    match snapshot.destination(original)? {
        Destination::Service(service, port) => service_port(snapshot, scope, original, service, port),
        Destination::Workload(workload, port) => {
            let ports = workload_ports(snapshot, &workload.name);
            let known = ports.get(&port);
            let protocol = known.map_or(Protocol::Detect, |port| port.protocol);
            let cluster = resource_name::direct(original);
            // Telemetry names the service where one leads here; the routes do not follow it.
            let stat_prefix = known
                .map_or_else(|| cluster.clone(), |port| resource_name::service_port(&port.service.0, port.service.1));
            let settings = traffic::of_port(snapshot, scope, workload, port);
            let from = |sections| traffic::origins_of_port(snapshot, scope, workload, port, sections);
            let routes = || filter::inline(route::to_endpoint(&cluster, &settings, &from(traffic::OF_ROUTES)));
            let http = || chain(manager(&stat_prefix, routes(), &settings, log), from(traffic::OF_REQUESTS));
            let tcp = || {
                let target = Target::Cluster(cluster.clone());
                chain(filter::tcp(&stat_prefix, &target, idle(&settings), log), from(traffic::OF_BYTES))
            };
            listener(original, protocol, http, tcp)
        }
    }
}

/// A port of a service: what routes say of it, else what splits say.
fn service_port(
    snapshot: &Snapshot,
    scope: &Scope,
    original: SocketAddr,
    service: &Service,
    port: u16,
) -> Option<Listener> {
    let log = snapshot.mesh.access_log;
    let protocol = service.port(port)?.protocol;
    let name = resource_name::service_port(&service.name, port);
    let settings = traffic::settings(snapshot, scope, service, port);
    let from = |sections| traffic::origins(snapshot, scope, &service.name, port, sections);
    let of = |object: &ObjectRef| std::iter::once(object.to_string()).chain(from(traffic::OF_BYTES)).collect();
    let itself = || {
        let split = split::split(snapshot, service, port);
        let from = split.rest_origin.map_or_else(|| from(traffic::OF_BYTES), of);
        chain(filter::tcp(&name, &split.rest, idle(&settings), log), from)
    };
    match table::plan(snapshot, service, port, &scope.workload.namespace) {
        Plan::Free => {
            let http = || {
                let filter = manager(&name, filter::rds(name.clone()), &settings, log);
                chain(filter, from(traffic::OF_REQUESTS))
            };
            listener(original, protocol, http, itself)
        }
        Plan::Requests(entries) => {
            let heeds_origins = entries.iter().any(|entry| entry.handling.cors.is_some());
            let keeps_sessions = entries.iter().any(|entry| entry.session().is_some());
            let http = || {
                let filters = rule::filters(snapshot, scope, (service, port), &entries, faults(&settings));
                let mut manager = filter::http(&name, filter::rds(name.clone()), filters, log);
                if heeds_origins {
                    filter::heed_origins(&mut manager);
                }
                if keeps_sessions {
                    filter::keep_sessions(&mut manager);
                }
                chain(filter::http_network_filter(&manager), from(traffic::OF_REQUESTS))
            };
            listener(original, protocol, http, itself)
        }
        Plan::Streams(route, rule) => {
            let chain = stream(snapshot, scope, (service, port), route, rule);
            Some(Listener { filter_chains: vec![chain], ..base(original) })
        }
        Plan::Tls(rules) => Some(by_server_name(original, &rules, |route, rule| {
            stream(snapshot, scope, (service, port), route, &rule.rule)
        })),
    }
}

/// The connections of a rule.
fn stream(
    snapshot: &Snapshot,
    scope: &Scope,
    (service, port): (&Service, u16),
    route: &Route,
    rule: &StreamRule,
) -> FilterChain {
    let name = resource_name::service_port(&service.name, port);
    let policies = Rule::new(snapshot, scope, service, port, (route, &rule.name));
    let limit = traffic::rate_limit::connection_rate(&policies.own(), &name);
    let target = split::of_streams(rule);
    let proxy = filter::tcp(&name, &target, idle(&policies.settings()), snapshot.mesh.access_log);
    let from = std::iter::once(route.origin.to_string()).chain(policies.origins(rule::OF_STREAMS, traffic::OF_BYTES));
    FilterChain { filters: limit.into_iter().chain([proxy]).collect(), metadata: origins(from), ..Default::default() }
}

/// A chain for each route's names. A connection that asks for none of them is closed. Of two routes with the same name
/// the older has it.
fn by_server_name(
    original: SocketAddr,
    rules: &[(&Route, &TlsRule)],
    chain: impl Fn(&Route, &TlsRule) -> FilterChain,
) -> Listener {
    let mut taken = BTreeSet::new();
    let mut chains = Vec::new();
    for (route, rule) in rules {
        let own: Vec<_> = rule.hostnames.iter().filter(|host| taken.insert(host.as_str())).cloned().collect();
        if own.is_empty() {
            continue;
        }
        let fits = FilterChainMatch { server_names: own, transport_protocol: "tls".into(), ..Default::default() };
        chains.push(FilterChain { filter_chain_match: Some(fits), ..chain(route, rule) });
    }
    Listener {
        listener_filters: vec![filter::tls_inspector()],
        listener_filters_timeout: Some(duration(limit::FIRST_BYTES)),
        filter_chains: chains,
        ..base(original)
    }
}

/// What a gRPC library asks for by the name of its channel's target: routes alone.
pub(crate) fn api(snapshot: &Snapshot, scope: &Scope, name: &str, service: &Service, port: u16) -> Option<Listener> {
    match service.port(port)?.protocol {
        Protocol::Http | Protocol::Http2 | Protocol::Detect => {}
        Protocol::Tcp | Protocol::Udp => return None,
    }
    let route = resource_name::service_port(&service.name, port);
    let faults = faults(&traffic::settings(snapshot, scope, service, port));
    let filters = match table::plan(snapshot, service, port, &scope.workload.namespace) {
        Plan::Requests(entries) => rule::filters(snapshot, scope, (service, port), &entries, faults),
        Plan::Free | Plan::Tls(_) | Plan::Streams(..) => faults.into_iter().collect(),
    };
    let mut manager = filter::http(&route, filter::rds(route.clone()), filters, false);
    // gRPC knows neither; unknown upgrades make some versions refuse the listener.
    manager.upgrade_configs = Vec::new();
    Some(Listener {
        name: name.to_owned(),
        api_listener: Some(ApiListener { api_listener: Some(any::pack(&manager)) }),
        ..Default::default()
    })
}

fn manager(stat_prefix: &str, routes: RouteSpecifier, settings: &TrafficSettings, log: bool) -> Filter {
    filter::http_network_filter(&filter::http(stat_prefix, routes, faults(settings), log))
}

/// The filter that makes requests fail, where some are to.
fn faults(settings: &TrafficSettings) -> Option<HttpFilter> {
    let fault = settings.fault.as_ref()?;
    Some(http_filter(traffic::fault::FILTER, traffic::fault::filter(fault)))
}

/// How long nothing may move on a connection of bytes, where it is said.
fn idle(settings: &TrafficSettings) -> Option<Duration> {
    settings.timeouts.and_then(|timeouts| timeouts.idle)
}

/// A chain that was made of these objects.
fn chain(filter: Filter, from: Vec<String>) -> FilterChain {
    FilterChain { filters: vec![filter], metadata: origins(from), ..Default::default() }
}

fn base(original: SocketAddr) -> Listener {
    Listener {
        name: resource_name::outbound_listener(original),
        address: Some(address(original)),
        traffic_direction: TrafficDirection::Outbound.into(),
        bind_to_port: Some(BoolValue { value: false }),
        ..Default::default()
    }
}

fn listener(
    original: SocketAddr,
    protocol: Protocol,
    http: impl Fn() -> FilterChain,
    tcp: impl Fn() -> FilterChain,
) -> Option<Listener> {
    let base = base(original);
    match protocol {
        Protocol::Http | Protocol::Http2 => Some(Listener { filter_chains: vec![http()], ..base }),
        Protocol::Tcp => Some(Listener { filter_chains: vec![tcp()], ..base }),
        Protocol::Detect => {
            let is_http = FilterChainMatch {
                application_protocols: SNIFFED_HTTP.map(str::to_owned).to_vec(),
                ..Default::default()
            };
            let http = FilterChain { filter_chain_match: Some(is_http), ..http() };
            Some(Listener {
                listener_filters: vec![filter::http_inspector()],
                listener_filters_timeout: Some(duration(limit::FIRST_BYTES)),
                continue_on_listener_filters_timeout: true,
                filter_chains: vec![http],
                default_filter_chain: Some(tcp()),
                ..base
            })
        }
        Protocol::Udp => None,
    }
}
