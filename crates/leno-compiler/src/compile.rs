//! From a name to the resource.

use std::{collections::BTreeSet, net::SocketAddr};

use leno_model::{
    Protocol, Service, ServiceName, Snapshot, Workload, policy::EgressPolicy, resource_name, snapshot::Destination,
};
use leno_proto::{any, google::protobuf::Any, v3::cluster::Cluster};

use crate::{Client, Kind, Scope, cluster, endpoint, listener, route, secret, stable};

/// The resource of this kind and name for this client; `None` when there is none. The roots come from the certificate
/// authority and not from the snapshot: see [`trust_bundle`](crate::trust_bundle). The other secrets are keys: whoever asks has
/// to be looked at first ([`Snapshot::shows_secret`]).
#[must_use]
pub fn resource(snapshot: &Snapshot, scope: &Scope, kind: Kind, name: &str) -> Option<Any> {
    match kind {
        Kind::Secret => secret::client_certificate(snapshot, name),
        Kind::Listener => listener(snapshot, scope, name),
        Kind::Route => {
            let (service, port) = service_port(snapshot, name)?;
            Some(stable::pack(&route::service_port(snapshot, service, port, scope)?, stable::ROUTES))
        }
        Kind::Cluster => cluster(snapshot, scope, name),
        Kind::Endpoint => {
            let (service, port) = service_port(snapshot, name)?;
            let assignment = endpoint::service_port(snapshot, service, port, scope)?;
            Some(stable::pack(&assignment, stable::ASSIGNMENT))
        }
    }
}

/// Whether this resource can be another one for each workload that asks, and not only for each kind of client.
#[must_use]
pub fn depends_on_caller(snapshot: &Snapshot, kind: Kind, name: &str) -> bool {
    let traffic = |name: &ServiceName| snapshot.traffic_depends_on_caller(name);
    let routing = |name: &ServiceName| snapshot.routing_depends_on_caller(name);
    let named = || resource_name::parse_service_port(name).map(|(service, _)| service);
    let of_workload = |workload: &Workload| snapshot.ports_of(&workload.name).any(|(known, _, _)| traffic(&known.name));
    let dialled = |address: SocketAddr| match snapshot.destination(address) {
        Some(Destination::Service(known, _)) => routing(&known.name),
        Some(Destination::Workload(workload, _)) => of_workload(workload),
        None => false,
    };
    match kind {
        Kind::Secret => false,
        Kind::Endpoint => named().is_some_and(|name| snapshot.depends_on_place(&name)),
        // The balancers of the backends of splits and routes have a say in it.
        Kind::Route => named().is_some_and(|root| {
            let splits = snapshot.traffic_splits.iter().filter(|split| split.root == root);
            routing(&root)
                || splits.flat_map(|split| &split.backends).any(|backend| traffic(&backend.service))
                || snapshot.routes_of(&root).flat_map(|route| route.services()).any(traffic)
        }),
        Kind::Cluster => match resource_name::parse_direct(name) {
            Some(address) => snapshot.workload_by_ip(address.ip()).is_some_and(|it| of_workload(it)),
            None => named().is_some_and(|name| traffic(&name)),
        },
        Kind::Listener => match resource_name::outbound_destination(name) {
            Some(address) => dialled(address),
            None if name == resource_name::OUTBOUND => !snapshot.egress_policies.is_empty(),
            None => name == resource_name::INBOUND || grpc_target(name).is_some_and(|(name, _)| routing(&name)),
        },
    }
}

fn service_port<'a>(snapshot: &'a Snapshot, name: &str) -> Option<(&'a Service, u16)> {
    let (service, port) = resource_name::parse_service_port(name)?;
    Some((snapshot.services.get(&service)?, port))
}

fn listener(snapshot: &Snapshot, scope: &Scope, name: &str) -> Option<Any> {
    let listener = match name {
        resource_name::INBOUND => {
            let workload = snapshot.workloads.get(&scope.workload)?;
            match scope.client {
                Client::Leno => listener::inbound(snapshot, workload),
                // The others have no certificate to terminate mesh TLS with.
                Client::Envoy | Client::Grpc => return None,
            }
        }
        resource_name::OUTBOUND => listener::unknown(snapshot, scope),
        _ => match resource_name::outbound_destination(name) {
            Some(original) => listener::destination(snapshot, scope, original)?,
            None => {
                let (service, port) = grpc_target(name)?;
                listener::api(snapshot, scope, name, snapshot.services.get(&service)?, port)?
            }
        },
    };
    Some(any::pack(&listener))
}

fn cluster(snapshot: &Snapshot, scope: &Scope, name: &str) -> Option<Any> {
    let cluster = match name {
        resource_name::INBOUND | resource_name::PASSTHROUGH => cluster::original_destination(name),
        resource_name::BLACKHOLE => cluster::blackhole(),
        _ => match resource_name::parse_direct(name) {
            Some(address) => {
                let workload = snapshot.workload_by_ip(address.ip())?;
                cluster::direct(snapshot, workload, address, scope)
            }
            None => named_cluster(snapshot, scope, name)?,
        },
    };
    Some(stable::pack(&cluster, stable::CLUSTER))
}

/// The cluster of a service port, or of what an egress policy lets through.
fn named_cluster(snapshot: &Snapshot, scope: &Scope, name: &str) -> Option<Cluster> {
    let Some((namespace, policy)) = resource_name::parse_egress(name) else {
        let (service, port) = service_port(snapshot, name)?;
        return cluster::service_port(snapshot, service, port, scope);
    };
    let mut policies = snapshot.egress_policies.iter().map(|policy| &**policy);
    let of = |it: &&EgressPolicy| it.origin.namespace == namespace && it.origin.name == policy;
    Some(cluster::egress(name, policies.find(of)?, scope.client))
}

/// The service port that a gRPC channel's target names: `NAME.NAMESPACE[.svc[.ANYTHING]]:PORT`.
pub(crate) fn grpc_target(name: &str) -> Option<(ServiceName, u16)> {
    let (host, port) = name.rsplit_once(':')?;
    let mut labels = host.split('.');
    let (service, namespace) = (labels.next()?, labels.next()?);
    if service.is_empty() || namespace.is_empty() || !matches!(labels.next(), None | Some("svc")) {
        return None;
    }
    Some((ServiceName::new(namespace, service), port.parse().ok()?))
}

/// Every resource of this kind that a client gets that asks for all of them (Envoy's wildcard subscription to
/// listeners and clusters). Leno's proxies and gRPC libraries ask by name.
#[must_use]
pub fn names(snapshot: &Snapshot, scope: &Scope, kind: Kind) -> BTreeSet<String> {
    match (kind, scope.client) {
        (_, Client::Leno | Client::Grpc) | (Kind::Secret | Kind::Endpoint | Kind::Route, _) => BTreeSet::new(),
        (Kind::Listener, Client::Envoy) => {
            let mut names = BTreeSet::from([resource_name::OUTBOUND.to_owned()]);
            for (service, port) in stream_ports(snapshot) {
                for ip in &service.cluster_ips {
                    names.insert(resource_name::outbound_listener((*ip, port).into()));
                }
            }
            names
        }
        (Kind::Cluster, Client::Envoy) => {
            let ports = stream_ports(snapshot);
            let mut names: BTreeSet<_> =
                ports.map(|(service, port)| resource_name::service_port(&service.name, port)).collect();
            names.insert(resource_name::PASSTHROUGH.to_owned());
            names.insert(resource_name::BLACKHOLE.to_owned());
            let policies = listener::egress::policies(snapshot, scope);
            names.extend(policies.into_iter().map(|policy| resource_name::egress(&policy.origin)));
            names
        }
    }
}

/// Whether a resource may differ between clients of different namespaces.
#[must_use]
pub fn depends_on_namespace(snapshot: &Snapshot, kind: Kind, name: &str) -> bool {
    if !route::table::has_consumers(snapshot) {
        return false;
    }
    let service = match kind {
        Kind::Route => service_port(snapshot, name).map(|(service, _)| service),
        Kind::Listener => match resource_name::outbound_destination(name) {
            Some(original) => snapshot.destination(original).and_then(|it| match it {
                Destination::Service(service, _) => Some(&**service),
                Destination::Workload(..) => None,
            }),
            None => grpc_target(name).and_then(|(service, _)| snapshot.services.get(&service)).map(|it| &**it),
        },
        Kind::Secret | Kind::Cluster | Kind::Endpoint => None,
    };
    service.is_some_and(|service| route::table::depends_on_namespace(snapshot, service))
}

fn stream_ports(snapshot: &Snapshot) -> impl Iterator<Item = (&Service, u16)> {
    snapshot.services.values().flat_map(|service| {
        let ports = service.ports.iter().filter(|port| port.protocol != Protocol::Udp);
        ports.map(|port| (&**service, port.port))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_targets_are_names_of_cluster_dns() {
        let cart = Some((ServiceName::new("shop", "cart"), 80));
        assert_eq!(grpc_target("cart.shop:80"), cart);
        assert_eq!(grpc_target("cart.shop.svc:80"), cart);
        assert_eq!(grpc_target("cart.shop.svc.cluster.local:80"), cart);
        for other in
            ["cart:80", "cart.shop", "cart.shop.example:80", "cart.shop:x", ".shop:80", "outbound/shop/cart:80"]
        {
            assert_eq!(grpc_target(other), None, "{other}");
        }
    }
}
