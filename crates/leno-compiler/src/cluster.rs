//! Clusters: endpoints that are reached alike.

use std::{collections::HashMap, net::SocketAddr};

use leno_model::{
    Protocol, Service, ServiceAccountName, Snapshot, Workload,
    policy::{EgressPolicy, TrafficSettings},
    resource_name,
};
use leno_proto::{
    any,
    google::protobuf::Any,
    v3::{
        cluster::{
            CircuitBreakers, Cluster,
            circuit_breakers::Thresholds,
            cluster::{ClusterDiscoveryType, DiscoveryType, EdsClusterConfig, LbConfig, LbPolicy, OriginalDstLbConfig},
        },
        core::{self, Http1ProtocolOptions, Http2ProtocolOptions},
        upstream_http::{
            HttpProtocolOptions,
            http_protocol_options::{UpstreamProtocolOptions, UseDownstreamHttpConfig},
        },
    },
};

use crate::{
    Client, Scope, endpoint, limit,
    message::{ads, duration, origins, uint32},
    traffic,
};

/// The cluster of a service port; `None` when it has none.
pub(crate) fn service_port(snapshot: &Snapshot, service: &Service, port: u16, scope: &Scope) -> Option<Cluster> {
    let protocol = service.port(port)?.protocol;
    if protocol == Protocol::Udp {
        return None;
    }
    let client = scope.client;
    let name = resource_name::service_port(&service.name, port);
    let lb_policy = match client {
        Client::Leno | Client::Envoy => LbPolicy::LeastRequest,
        // gRPC libraries have least-request only as an experiment.
        Client::Grpc => LbPolicy::RoundRobin,
    };
    let mut cluster = base(&name, DiscoveryType::Eds, lb_policy);
    cluster.eds_cluster_config = Some(EdsClusterConfig { eds_config: Some(ads()), ..Default::default() });
    let settings = traffic::settings(snapshot, scope, service, port);
    protect(&mut cluster, snapshot, client, &identities(service, port), &settings);
    traffic::cluster::apply(&mut cluster, &settings, client);
    traffic::cluster::check(&mut cluster, &settings, &service.name, protocol);
    cluster.metadata = origins(traffic::origins(snapshot, scope, &service.name, port, traffic::OF_CLUSTERS));
    Some(cluster)
}

/// The service accounts behind a service port that are reached by mesh TLS; ready or not, so that the list is steady
/// while instances come and go.
pub(crate) fn identities(service: &Service, port: u16) -> Vec<&ServiceAccountName> {
    let endpoints = service.endpoints.get(&port).into_iter().flatten();
    let mut accounts: Vec<_> =
        endpoints.filter(|endpoint| endpoint.meshed).filter_map(|endpoint| endpoint.service_account.as_ref()).collect();
    accounts.sort();
    accounts.dedup();
    accounts
}

/// The cluster of one workload's port, dialled by the workload's own address.
pub(crate) fn direct(snapshot: &Snapshot, workload: &Workload, destination: SocketAddr, scope: &Scope) -> Cluster {
    let name = resource_name::direct(destination);
    let mut cluster = base(&name, DiscoveryType::Static, LbPolicy::LeastRequest);
    cluster.load_assignment = Some(endpoint::direct(&name, workload, destination));
    let port = destination.port();
    let settings = traffic::of_port(snapshot, scope, workload, port);
    let accounts: Vec<_> = workload.meshed.then_some(&workload.service_account).into_iter().collect();
    protect(&mut cluster, snapshot, scope.client, &accounts, &settings);
    traffic::cluster::bound(&mut cluster, &settings);
    cluster.metadata = origins(traffic::origins_of_port(snapshot, scope, workload, port, traffic::OF_CLUSTERS));
    cluster
}

/// Says how connections to endpoints are protected, of which some run as these accounts and have a sidecar.
fn protect(
    cluster: &mut Cluster,
    snapshot: &Snapshot,
    client: Client,
    accounts: &[&ServiceAccountName],
    settings: &TrafficSettings,
) {
    match client {
        Client::Leno => {
            cluster.transport_socket_matches = traffic::tls::transports(snapshot, accounts, settings.tls.as_ref());
        }
        Client::Envoy => cluster.transport_socket = traffic::tls::alone(settings.tls.as_ref()),
        // gRPC libraries take certificates from their own configuration alone.
        Client::Grpc => {}
    }
}

/// The cluster that is wherever the connection was meant to go, in plaintext: the application (`inbound`) or a
/// destination that the mesh does not know (`passthrough`).
pub(crate) fn original_destination(name: &str) -> Cluster {
    base(name, DiscoveryType::OriginalDst, LbPolicy::ClusterProvided)
}

/// The cluster that is wherever a connection that an egress policy lets through was meant to go.
pub(crate) fn egress(name: &str, policy: &EgressPolicy, client: Client) -> Cluster {
    let mut cluster = original_destination(name);
    cluster.transport_socket = traffic::tls::outside(client, policy.settings.tls.as_ref());
    cluster.lb_config = policy.tls_port.map(|port| {
        LbConfig::OriginalDstLbConfig(OriginalDstLbConfig {
            upstream_port_override: Some(uint32(port.into())),
            ..Default::default()
        })
    });
    cluster.metadata = origins([policy.origin.to_string()]);
    traffic::cluster::bound(&mut cluster, &policy.settings);
    cluster
}

/// The cluster that has no endpoint and never will.
pub(crate) fn blackhole() -> Cluster {
    base(resource_name::BLACKHOLE, DiscoveryType::Static, LbPolicy::LeastRequest)
}

fn base(name: &str, kind: DiscoveryType, lb_policy: LbPolicy) -> Cluster {
    Cluster {
        name: name.to_owned(),
        connect_timeout: Some(duration(limit::CONNECT)),
        lb_policy: lb_policy.into(),
        circuit_breakers: Some(breakers()),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(kind.into())),
        typed_extension_protocol_options: protocol(None),
        ..Default::default()
    }
}

/// What is spoken with endpoints: what the caller speaks. A connection is not used any more after so many requests.
pub(crate) fn protocol(max_requests: Option<u32>) -> HashMap<String, Any> {
    let options = HttpProtocolOptions {
        common_http_protocol_options: max_requests.map(|max| core::HttpProtocolOptions {
            max_requests_per_connection: Some(uint32(max)),
            ..Default::default()
        }),
        upstream_protocol_options: Some(UpstreamProtocolOptions::UseDownstreamProtocolConfig(
            UseDownstreamHttpConfig {
                http_protocol_options: Some(Http1ProtocolOptions::default()),
                http2_protocol_options: Some(Http2ProtocolOptions::default()),
                ..Default::default()
            },
        )),
        ..Default::default()
    };
    HashMap::from([("envoy.extensions.upstreams.http.v3.HttpProtocolOptions".to_owned(), any::pack(&options))])
}

/// Bounds that keep a sidecar alive and that no healthy service meets. Envoy's own, 1024 of each, are too few for a
/// service with long-lived connections.
fn breakers() -> CircuitBreakers {
    let most = || Some(uint32(limit::CLUSTER));
    CircuitBreakers {
        thresholds: vec![Thresholds {
            max_connections: most(),
            max_pending_requests: most(),
            max_requests: most(),
            ..Default::default()
        }],
        ..Default::default()
    }
}
