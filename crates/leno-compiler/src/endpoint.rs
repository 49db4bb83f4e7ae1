//! Endpoints: the addresses behind a cluster.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
};

use leno_model::{
    Endpoint, Locality, Service, ServiceAccountName, Snapshot, Workload, locality::Distance, policy::traffic::Nearness,
    resource_name,
};
use leno_proto::{
    google::protobuf::{Struct, Value, value},
    v3::{
        core,
        endpoint::{self, ClusterLoadAssignment, LbEndpoint, LocalityLbEndpoints, lb_endpoint::HostIdentifier},
    },
};

use crate::{
    Scope,
    message::{address, uint32},
    traffic,
};

/// Envoy's own filter name for the metadata that chooses a transport socket.
const TRANSPORT_SOCKET_MATCH: &str = "envoy.transport_socket_match";

/// The endpoints of a service port that take new requests.
pub(crate) fn service_port(
    snapshot: &Snapshot,
    service: &Service,
    port: u16,
    scope: &Scope,
) -> Option<ClusterLoadAssignment> {
    service.port(port)?;
    let endpoints = service.endpoints.get(&port).into_iter().flatten().filter(|endpoint| endpoint.ready);
    let name = resource_name::service_port(&service.name, port);
    let here = snapshot.workloads.get(&scope.workload).map(|workload| workload.locality());
    let nearness = snapshot.nearness(service, port, traffic::caller(snapshot, scope));
    match nearness.zip(here.filter(|here| *here != Locality::default())) {
        Some((nearness, here)) => Some(by_distance(snapshot, name, endpoints, nearness, &here)),
        None => Some(assignment(&name, endpoints.map(|endpoint| entry(snapshot, endpoint)).collect())),
    }
}

/// The endpoints of each place.
type Places<'a> = BTreeMap<&'a Locality, Vec<LbEndpoint>>;

/// The nearest first: those of a lower priority are used when too few of the higher ones are well.
fn by_distance<'a>(
    snapshot: &Snapshot,
    cluster_name: String,
    endpoints: impl Iterator<Item = &'a Endpoint>,
    nearness: Nearness,
    here: &Locality,
) -> ClusterLoadAssignment {
    let mut places: BTreeMap<Distance, Places<'_>> = BTreeMap::new();
    for endpoint in endpoints {
        let distance = match (nearness, endpoint.locality.distance(here)) {
            // Zones do not count.
            (Nearness::SameRegion, Distance::SameZone) => Distance::SameRegion,
            (_, distance) => distance,
        };
        let place = places.entry(distance).or_default().entry(&endpoint.locality).or_default();
        place.push(entry(snapshot, endpoint));
    }
    // Priorities must have no gaps.
    let ranked = (0..).zip(places.into_values());
    let endpoints = ranked.flat_map(|(priority, places)| {
        places.into_iter().map(move |(locality, lb_endpoints)| LocalityLbEndpoints {
            locality: Some(core::Locality {
                region: locality.region.clone(),
                zone: locality.zone.clone(),
                ..Default::default()
            }),
            load_balancing_weight: Some(uint32(u32::try_from(lb_endpoints.len()).unwrap_or(u32::MAX))),
            lb_endpoints,
            priority,
            ..Default::default()
        })
    });
    ClusterLoadAssignment { cluster_name, endpoints: endpoints.collect(), ..Default::default() }
}

/// One workload, dialled by its own address.
pub(crate) fn direct(name: &str, workload: &Workload, destination: SocketAddr) -> ClusterLoadAssignment {
    let metadata = metadata(workload.meshed, Some(workload), Some(&workload.service_account));
    assignment(name, vec![lb_endpoint(destination, metadata)])
}

fn assignment(name: &str, lb_endpoints: Vec<LbEndpoint>) -> ClusterLoadAssignment {
    let endpoints = if lb_endpoints.is_empty() {
        Vec::new()
    } else {
        // gRPC leaves out a locality that has no weight or is not named at all.
        vec![LocalityLbEndpoints {
            locality: Some(core::Locality::default()),
            lb_endpoints,
            load_balancing_weight: Some(uint32(1)),
            ..Default::default()
        }]
    };
    ClusterLoadAssignment { cluster_name: name.to_owned(), endpoints, ..Default::default() }
}

fn entry(snapshot: &Snapshot, endpoint: &Endpoint) -> LbEndpoint {
    let workload = endpoint.workload.as_ref().and_then(|name| snapshot.workloads.get(name));
    let account = endpoint.service_account.as_ref();
    lb_endpoint(
        endpoint.address,
        metadata(endpoint.meshed && account.is_some(), workload.map(|workload| &**workload), account),
    )
}

fn lb_endpoint(destination: SocketAddr, metadata: core::Metadata) -> LbEndpoint {
    LbEndpoint {
        metadata: Some(metadata),
        load_balancing_weight: Some(uint32(1)),
        host_identifier: Some(HostIdentifier::Endpoint(endpoint::Endpoint {
            address: Some(address(destination)),
            ..Default::default()
        })),
        ..Default::default()
    }
}

fn metadata(meshed: bool, workload: Option<&Workload>, account: Option<&ServiceAccountName>) -> core::Metadata {
    let mut filter_metadata = HashMap::new();
    if meshed {
        let key = (resource_name::MESH_TLS_KEY, "true");
        filter_metadata.insert(TRANSPORT_SOCKET_MATCH.to_owned(), strings(&[key]));
    }
    let mut labels = Vec::new();
    if let Some(workload) = workload {
        labels.push(("workload", workload.owner.as_str()));
        labels.push(("pod", workload.name.name.as_str()));
        labels.push(("namespace", workload.name.namespace.as_str()));
    }
    if let Some(account) = account {
        labels.push(("service_account", account.name.as_str()));
    }
    if !labels.is_empty() {
        filter_metadata.insert(resource_name::WORKLOAD_METADATA.to_owned(), strings(&labels));
    }
    core::Metadata { filter_metadata, ..Default::default() }
}

/// A struct of texts.
pub(crate) fn strings(fields: &[(&str, &str)]) -> Struct {
    let value = |text: &str| Value { kind: Some(value::Kind::StringValue(text.to_owned())) };
    Struct { fields: fields.iter().map(|(key, text)| ((*key).to_owned(), value(text))).collect() }
}
