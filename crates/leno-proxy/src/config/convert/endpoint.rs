//! Load assignments ([`envoy.config.endpoint.v3.ClusterLoadAssignment`]).
//!
//! [`envoy.config.endpoint.v3.ClusterLoadAssignment`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/endpoint/v3/endpoint.proto

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use leno_engine::balance::Locality as Place;
use leno_model::resource_name;
use leno_proto::{
    google::protobuf::{Struct, value::Kind},
    v3::{
        core::{Address, HealthStatus, Locality, Metadata, SocketAddress, address, socket_address},
        endpoint::{
            ClusterLoadAssignment, Endpoint as EndpointProto, LbEndpoint, cluster_load_assignment::Policy,
            endpoint::HealthCheckConfig, lb_endpoint::HostIdentifier,
        },
    },
};

use super::{
    super::{Endpoint, EndpointSet, HealthEndpoint, ListedHealth, SetRules, Standing, WorkloadLabels, dns::Named},
    check::{Check, at, join},
    fraction, label,
};

/// The last priority that Envoy knows.
const MAX_PRIORITY: u32 = 128;

/// Envoy's filter name for the metadata that chooses a transport.
const TRANSPORT: &str = "envoy.transport_socket_match";

pub(super) fn convert(
    check: &mut Check,
    path: &str,
    proto: ClusterLoadAssignment,
    previous: Option<&EndpointSet>,
) -> Option<EndpointSet> {
    let (endpoints, rules) = all(check, path, proto, Hosts::Addresses);
    let endpoints = endpoints.into_iter().map(|(endpoint, _)| endpoint).collect();
    Some(EndpointSet::new(previous, endpoints, rules))
}

/// Endpoints that are known by name.
pub(super) fn named(check: &mut Check, path: &str, proto: ClusterLoadAssignment) -> (Vec<Named>, SetRules) {
    let (endpoints, rules) = all(check, path, proto, Hosts::Names);
    let named = endpoints.into_iter().map(|(mut endpoint, host)| {
        let hostname = &mut endpoint.standing.hostname;
        if hostname.is_empty() {
            hostname.clone_from(&host);
        }
        Named { host, port: endpoint.address.port(), endpoint }
    });
    (named.collect(), rules)
}

/// What an endpoint's address may be.
#[derive(Clone, Copy)]
enum Hosts {
    /// An IP address.
    Addresses,
    /// A name as well.
    Names,
}

/// An endpoint and its host as it is written.
type Hosted = (Endpoint, Box<str>);

/// All endpoints with their hosts, and what is said of all of them.
fn all(check: &mut Check, path: &str, mut proto: ClusterLoadAssignment, hosts: Hosts) -> (Vec<Hosted>, SetRules) {
    proto.cluster_name.clear();
    let mut endpoints = Vec::new();
    for (index, mut locality) in std::mem::take(&mut proto.endpoints).into_iter().enumerate() {
        let path = at(path, "endpoints", index);
        let place = locality.locality.take().map(self::locality).unwrap_or_default();
        let weight = locality.load_balancing_weight.take().map_or(0, |weight| weight.value);
        let priority = std::mem::take(&mut locality.priority);
        if priority > MAX_PRIORITY {
            check.wrong(&join(&path, "priority"), priority.to_string(), format!("0 to {MAX_PRIORITY}"));
        }
        for (index, proto) in std::mem::take(&mut locality.lb_endpoints).into_iter().enumerate() {
            if let Some((mut endpoint, host)) = endpoint(check, &at(&path, "lb_endpoints", index), proto, hosts) {
                let standing = &mut endpoint.standing;
                (standing.priority, standing.locality, standing.locality_weight) = (priority, place.clone(), weight);
                endpoints.push((endpoint, host));
            }
        }
        check.rest(&path, &locality);
    }
    let policy = proto.policy.take();
    let rules = policy.map(|policy| self::policy(check, &join(path, "policy"), policy)).unwrap_or_default();
    check.rest(path, &proto);
    (endpoints, rules)
}

/// What is said of all endpoints together.
fn policy(check: &mut Check, path: &str, mut policy: Policy) -> SetRules {
    let mut rules = SetRules::default();
    if let Some(factor) = policy.overprovisioning_factor.take() {
        rules.overprovisioning = factor.value;
        if factor.value == 0 {
            check.wrong(&join(path, "overprovisioning_factor"), "0", "at least 1");
        }
    }
    rules.weighted_health = std::mem::take(&mut policy.weighted_priority_health);
    let drops = std::mem::take(&mut policy.drop_overloads);
    if drops.len() > 1 {
        check.wrong(&join(path, "drop_overloads"), format!("{} categories", drops.len()), "one category");
    }
    for (index, mut drop) in drops.into_iter().enumerate() {
        let path = at(path, "drop_overloads", index);
        check.name(&join(&path, "category"), std::mem::take(&mut drop.category));
        let part =
            fraction::convert(check, &join(&path, "drop_percentage"), drop.drop_percentage.take().unwrap_or_default());
        rules.dropped = Some(part);
    }
    check.rest(path, &policy);
    rules
}

/// A place.
pub(crate) fn locality(proto: Locality) -> Place {
    Place { region: proto.region.into(), zone: proto.zone.into(), sub_zone: proto.sub_zone.into() }
}

/// An endpoint; `None` when it is wrong.
fn endpoint(check: &mut Check, path: &str, mut proto: LbEndpoint, hosts: Hosts) -> Option<Hosted> {
    let weight = proto.load_balancing_weight.take().map_or(1, |weight| weight.value.max(1));
    let number = std::mem::take(&mut proto.health_status);
    let status = HealthStatus::try_from(number);
    if status.is_err() {
        check.wrong(&join(path, "health_status"), number.to_string(), "a status that Envoy has");
    }
    let mut metadata = proto.metadata.take().unwrap_or_default();
    let labels = metadata.filter_metadata.remove(label::BALANCING).map(label::labels).unwrap_or_default();
    let mut health = HealthEndpoint::default();
    let mut hostname = String::new();
    let host = match proto.host_identifier.take() {
        Some(HostIdentifier::Endpoint(mut host)) => {
            if let Some(config) = host.health_check_config.take() {
                health = self::health(check, &join(path, "endpoint.health_check_config"), config);
            }
            let address =
                host.address.take().and_then(|address| place(check, &join(path, "endpoint.address"), address, hosts));
            hostname = std::mem::take(&mut host.hostname);
            check.rest::<EndpointProto>(&join(path, "endpoint"), &host);
            address
        }
        Some(HostIdentifier::EndpointName(_)) => check.unsupported(path, "endpoint_name", "endpoint"),
        None => {
            check.wrong(path, "no address", "endpoint.address");
            None
        }
    };
    check.rest(path, &proto);
    let (transport, workload) = of_others(check, &join(path, "metadata"), metadata);
    let listed = match status {
        Ok(HealthStatus::Unknown | HealthStatus::Healthy) | Err(_) => ListedHealth::Healthy,
        Ok(HealthStatus::Degraded) => ListedHealth::Degraded,
        Ok(HealthStatus::Unhealthy | HealthStatus::Draining | HealthStatus::Timeout) => ListedHealth::Unhealthy,
    };
    let (address, host) = host?;
    let mut endpoint = Endpoint::new(address, weight, transport, Arc::new(workload));
    endpoint.standing = Standing { health: listed, hostname: hostname.into(), labels, ..Standing::default() };
    endpoint.health = health;
    Some((endpoint, host))
}

fn health(check: &mut Check, path: &str, mut proto: HealthCheckConfig) -> HealthEndpoint {
    let number = std::mem::take(&mut proto.port_value);
    let port = u16::try_from(number).ok();
    if port.is_none() {
        check.wrong(&join(path, "port_value"), number.to_string(), "a port");
    }
    let host = std::mem::take(&mut proto.hostname);
    let disabled = std::mem::take(&mut proto.disable_active_health_check);
    check.rest(path, &proto);
    let host = (!host.is_empty()).then(|| host.into());
    HealthEndpoint { port: port.filter(|port| *port != 0), host, disabled }
}

/// An address of IP and port.
pub(super) fn socket(check: &mut Check, path: &str, proto: Address) -> Option<SocketAddr> {
    place(check, path, proto, Hosts::Addresses).map(|(address, _)| address)
}

/// An address and the host as it is written; a name stands at no address.
fn place(check: &mut Check, path: &str, proto: Address, hosts: Hosts) -> Option<(SocketAddr, Box<str>)> {
    match proto.address {
        Some(address::Address::SocketAddress(socket)) => {
            host_and_port(check, &join(path, "socket_address"), socket, hosts)
        }
        Some(address::Address::Pipe(_)) => check.unsupported(path, "pipe", "socket_address"),
        Some(address::Address::EnvoyInternalAddress(_)) => {
            check.unsupported(path, "envoy_internal_address", "socket_address")
        }
        None => {
            check.wrong(path, "missing", "socket_address");
            None
        }
    }
}

/// An IP address and a port.
pub(super) fn ip_and_port(check: &mut Check, path: &str, socket: SocketAddress) -> Option<SocketAddr> {
    host_and_port(check, path, socket, Hosts::Addresses).map(|(address, _)| address)
}

fn host_and_port(
    check: &mut Check,
    path: &str,
    mut socket: SocketAddress,
    hosts: Hosts,
) -> Option<(SocketAddr, Box<str>)> {
    let port = match socket.port_specifier.take() {
        Some(socket_address::PortSpecifier::PortValue(port)) => u16::try_from(port).ok(),
        Some(socket_address::PortSpecifier::NamedPort(_)) => {
            return check.unsupported(path, "named_port", "port_value");
        }
        None => None,
    };
    let ip = std::mem::take(&mut socket.address);
    check.rest(path, &socket);
    let address = match (ip.parse::<std::net::IpAddr>(), hosts) {
        (Ok(address), _) => Some(address),
        (Err(_), Hosts::Names) if !ip.is_empty() => Some(Ipv4Addr::UNSPECIFIED.into()),
        (Err(_), _) => None,
    };
    let address = address.zip(port).map(SocketAddr::from);
    if address.is_none() {
        let expected = match hosts {
            Hosts::Addresses => "an IP address and a port",
            Hosts::Names => "a name or an IP address, and a port",
        };
        check.wrong(path, format!("{ip}:{port:?}"), expected);
    }
    address.map(|address| (address, ip.into()))
}

type Labels = Vec<(Box<str>, Box<str>)>;

/// What is noted for others than balancers.
fn of_others(check: &mut Check, path: &str, mut metadata: Metadata) -> (Labels, WorkloadLabels) {
    let labels = metadata.filter_metadata.remove(TRANSPORT).unwrap_or_default();
    let labels = texts(check, &format!("{path}.filter_metadata[{TRANSPORT:?}]"), &labels);
    let who = metadata.filter_metadata.remove(resource_name::WORKLOAD_METADATA).unwrap_or_default();
    let who = texts(check, &format!("{path}.filter_metadata[{:?}]", resource_name::WORKLOAD_METADATA), &who);
    let field =
        |name: &str| who.iter().find(|(key, _)| **key == *name).map(|(_, value)| value.clone()).unwrap_or_default();
    // Other filters' metadata concerns other filters.
    let workload = WorkloadLabels {
        workload: field("workload"),
        pod: field("pod"),
        namespace: field("namespace"),
        identity: field("identity"),
    };
    (labels, workload)
}

/// A structure of texts.
pub(super) fn texts(check: &mut Check, path: &str, fields: &Struct) -> Labels {
    let mut texts = Labels::new();
    for (key, value) in &fields.fields {
        match &value.kind {
            Some(Kind::StringValue(text)) => texts.push((key.as_str().into(), text.as_str().into())),
            other => check.wrong(&join(path, key), format!("{other:?}"), "a text"),
        }
    }
    texts.sort();
    texts
}
