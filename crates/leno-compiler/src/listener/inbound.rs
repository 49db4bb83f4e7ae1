//! What reaches the workload.
//!
//! For every port that a service leads to, and once for all other ports:
//!
//! | what comes | chain |
//! |---|---|
//! | mesh TLS, ALPN `leno-http/1.1` or `leno-h2` | HTTP, access rules per request; not on ports declared to be bytes |
//! | mesh TLS, ALPN `leno-tcp` | bytes, access rules per connection; not on ports declared to be HTTP |
//! | plaintext HTTP | permissive only: HTTP; not on ports declared to be bytes |
//! | plaintext, or TLS of the application's own | permissive only: bytes |
//!
//! In plaintext nobody has an identity, so with default access `Deny` it is refused even where it is permitted.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use leno_model::{
    Protocol, Snapshot, Workload,
    mesh::MtlsMode,
    policy::{
        TrafficSettings,
        traffic::{GlobalRateLimit, HttpLimit},
    },
    resource_name,
};
use leno_proto::{
    any,
    google::protobuf::BoolValue,
    v3::{
        core::{TrafficDirection, TransportSocket},
        listener::{Filter, FilterChain, FilterChainMatch, Listener, ListenerFilter},
        original_dst::OriginalDst,
        tls,
    },
};

use super::filter::{self, SNIFFED_HTTP};
use crate::{
    access,
    authorization::Payload,
    limit,
    message::{duration, http_filter, listener_filter, mesh_tls, origins, transport_socket, uint32},
    port::{WorkloadPort, workload_ports},
    route,
    split::Target,
    traffic,
};

/// The address that the inbound listener is bound to.
const BIND: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 15006);

/// The listener of all that reaches the workload.
pub(crate) fn inbound(snapshot: &Snapshot, workload: &Workload) -> Listener {
    let compiler = Inbound { snapshot, workload };
    let mut filter_chains = Vec::new();
    for (number, port) in workload_ports(snapshot, &workload.name) {
        filter_chains.extend(compiler.chains(Some((number, &port))));
    }
    filter_chains.extend(compiler.chains(None));
    Listener {
        name: resource_name::INBOUND.to_owned(),
        address: Some(crate::message::address(BIND)),
        traffic_direction: TrafficDirection::Inbound.into(),
        use_original_dst: Some(BoolValue { value: true }),
        listener_filters: compiler.inspectors(),
        listener_filters_timeout: Some(duration(limit::FIRST_BYTES)),
        // A caller in plaintext may wait for the workload to speak first; mesh TLS never does.
        continue_on_listener_filters_timeout: compiler.permissive(),
        filter_chains,
        ..Default::default()
    }
}

struct Inbound<'a> {
    snapshot: &'a Snapshot,
    workload: &'a Workload,
}

impl Inbound<'_> {
    fn permissive(&self) -> bool {
        match self.snapshot.mesh.mtls {
            MtlsMode::Strict => false,
            MtlsMode::Permissive => true,
        }
    }

    fn inspectors(&self) -> Vec<ListenerFilter> {
        let mut filters = vec![
            listener_filter("envoy.filters.listener.original_dst", any::pack(&OriginalDst {})),
            filter::tls_inspector(),
        ];
        if self.permissive() {
            filters.push(filter::http_inspector());
        }
        filters
    }

    /// The chains of one port, or of all ports that no service leads to.
    fn chains(&self, port: Option<(u16, &WorkloadPort)>) -> Vec<FilterChain> {
        use resource_name::alpn;
        let protocol = port.map_or(Protocol::Detect, |(_, port)| port.protocol);
        let (http, bytes) = match protocol {
            Protocol::Http | Protocol::Http2 => (true, None),
            Protocol::Tcp => (false, Some(Payload::Bytes)),
            Protocol::Detect => (true, Some(Payload::UndeclaredBytes)),
            Protocol::Udp => return Vec::new(),
        };
        let door = Door::new(self.snapshot, port);
        let from = port.map(|(_, port)| traffic::limit_origins(self.snapshot, port)).unwrap_or_default();
        let number = door.number;
        let mut chains = Vec::new();
        if http {
            let fits = chain_match(number, "tls", &[alpn::HTTP1, alpn::HTTP2]);
            chains.push(terminated(chain(fits, self.http(&door))));
        }
        if let Some(payload) = bytes {
            let fits = chain_match(number, "tls", &[alpn::TCP]);
            chains.push(terminated(chain(fits, self.bytes(&door, payload))));
        }
        if self.permissive() {
            if http {
                let fits = chain_match(number, "raw_buffer", &SNIFFED_HTTP);
                chains.push(chain(fits, self.http(&door)));
            }
            // Nobody has an identity here, so any kind of bytes is refused or let in alike.
            for transport in ["raw_buffer", "tls"] {
                let fits = chain_match(number, transport, &[]);
                chains.push(chain(fits, self.bytes(&door, Payload::UndeclaredBytes)));
            }
        }
        for chain in &mut chains {
            chain.metadata = origins(from.iter().cloned());
        }
        chains
    }

    fn http(&self, door: &Door) -> Vec<Filter> {
        let Door { name, number, limits } = door;
        let limit = limits.rate_limit.as_ref().and_then(|limit| limit.http.as_ref());
        let access = access::of_requests(self.snapshot, self.workload, *number);
        let tokens = access::tokens(self.snapshot, self.workload, *number);
        // Who may not call takes nothing of what others may.
        let limiter = limit.map(|limit| {
            let config = traffic::rate_limit::filter(limit, name);
            http_filter(traffic::rate_limit::FILTER, config)
        });
        let global = limits.global_rate_limit.as_ref();
        let counts_callers =
            limit.is_some_and(HttpLimit::counts_callers) || global.is_some_and(GlobalRateLimit::counts_callers);
        let caller = counts_callers.then(traffic::global_rate_limit::caller);
        let limiters = caller.into_iter().chain(limiter).chain(global.map(traffic::global_rate_limit::filter));
        let routes = filter::inline(route::to_application(name, limit));
        let mesh = &self.snapshot.mesh;
        let mut manager = filter::http(name, routes, tokens.into_iter().chain(access).chain(limiters), mesh.access_log);
        if let Some(bytes) = mesh.max_request_bytes {
            filter::limit_bodies(&mut manager, bytes);
        }
        let count = traffic::rate_limit::connections(limits, name);
        count.into_iter().chain([filter::http_network_filter(&manager)]).collect()
    }

    fn bytes(&self, door: &Door, payload: Payload) -> Vec<Filter> {
        let Door { name, number, limits } = door;
        let access = access::of_bytes(self.snapshot, self.workload, *number, payload, name).into_iter();
        let limits = traffic::rate_limit::connections(limits, name)
            .into_iter()
            .chain(traffic::rate_limit::connection_rate(limits, name));
        let target = Target::Cluster(resource_name::INBOUND.to_owned());
        let proxy = filter::tcp(name, &target, None, self.snapshot.mesh.access_log);
        access.chain(limits).chain([proxy]).collect()
    }
}

/// A port, or all ports that no service leads to.
struct Door {
    /// What telemetry calls it.
    name: String,
    /// Its number.
    number: Option<u16>,
    /// How much it takes.
    limits: TrafficSettings,
}

impl Door {
    fn new(snapshot: &Snapshot, port: Option<(u16, &WorkloadPort)>) -> Self {
        match port {
            Some((number, port)) => Self {
                name: format!("{}/{}:{}", resource_name::INBOUND, port.service.0, port.service.1),
                number: Some(number),
                limits: traffic::limits(snapshot, port),
            },
            None => {
                Self { name: format!("{}/-", resource_name::INBOUND), number: None, limits: TrafficSettings::default() }
            }
        }
    }
}

fn chain_match(port: Option<u16>, transport: &str, protocols: &[&str]) -> FilterChainMatch {
    FilterChainMatch {
        destination_port: port.map(|port| uint32(port.into())),
        transport_protocol: transport.to_owned(),
        application_protocols: protocols.iter().map(|&protocol| protocol.to_owned()).collect(),
        ..Default::default()
    }
}

fn chain(fits: FilterChainMatch, filters: Vec<Filter>) -> FilterChain {
    FilterChain { filter_chain_match: Some(fits), filters, ..Default::default() }
}

/// The same chain with mesh TLS terminated.
fn terminated(chain: FilterChain) -> FilterChain {
    FilterChain { transport_socket: Some(downstream_tls()), ..chain }
}

fn downstream_tls() -> TransportSocket {
    let context = tls::DownstreamTlsContext {
        common_tls_context: Some(mesh_tls(&[])),
        require_client_certificate: Some(BoolValue { value: true }),
        ..Default::default()
    };
    transport_socket("envoy.transport_sockets.tls", any::pack(&context))
}
