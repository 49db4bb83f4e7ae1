//! Whatever arrives, nothing panics.

use leno_proto::{
    google::protobuf::Any,
    v3::{
        cluster::{Cluster, cluster::DiscoveryType},
        endpoint::ClusterLoadAssignment,
        listener::{Filter, Listener, filter},
        rbac::{permission::Rule, principal::Identifier},
        route::RouteConfiguration,
    },
};
use proptest::prelude::*;
use prost::Message;

use super::{
    super::{super::Registry, cluster, endpoints, listener, routes},
    sample,
};

/// Takes bytes for a resource of every kind.
fn take(bytes: &[u8]) {
    let mut registry = Registry::default();
    if let Ok(message) = Listener::decode(bytes) {
        drop(listener(&message, &mut registry));
    }
    if let Ok(message) = RouteConfiguration::decode(bytes) {
        drop(routes(&message, &mut registry));
    }
    if let Ok(message) = Cluster::decode(bytes) {
        drop(cluster(&message, &mut registry));
    }
    if let Ok(message) = ClusterLoadAssignment::decode(bytes) {
        drop(endpoints(&message, None));
    }
}

/// Legal resources, to be damaged.
fn legal() -> Vec<Vec<u8>> {
    let network = leno_proto::v3::network_rbac::Rbac {
        rules: Some(sample::rbac(Rule::DestinationPort(80), Identifier::Any(true))),
        ..Default::default()
    };
    let mut secured = sample::listener(vec![sample::filter(&network), sample::filter(&sample::tcp())]);
    secured.filter_chains[0].transport_socket = Some(sample::socket(&sample::downstream_tls(sample::common_tls())));
    let mut cluster = sample::cluster(DiscoveryType::Static);
    let assignment = sample::assignment(vec![sample::endpoint(sample::socket_address("10.0.0.1", 80))]);
    cluster.load_assignment = Some(assignment.clone());
    let id = "spiffe://cluster.local/ns/shop/sa/cart";
    cluster.transport_socket = Some(sample::socket(&sample::upstream_tls(vec![sample::san(id)])));
    vec![
        secured.encode_to_vec(),
        sample::listener(vec![sample::filter(&sample::manager())]).encode_to_vec(),
        sample::routes(sample::forward()).encode_to_vec(),
        cluster.encode_to_vec(),
        assignment.encode_to_vec(),
    ]
}

#[test]
fn what_is_to_be_damaged_is_legal() {
    let [secured, http, table, one, set] = legal().try_into().unwrap();
    let mut registry = Registry::default();
    listener(&Listener::decode(&*secured).unwrap(), &mut registry).unwrap();
    listener(&Listener::decode(&*http).unwrap(), &mut registry).unwrap();
    routes(&RouteConfiguration::decode(&*table).unwrap(), &mut registry).unwrap();
    cluster(&Cluster::decode(&*one).unwrap(), &mut registry).unwrap();
    endpoints(&ClusterLoadAssignment::decode(&*set).unwrap(), None).unwrap();
}

/// The types that are looked into.
const TYPES: [&str; 5] = [
    "envoy.extensions.filters.network.rbac.v3.RBAC",
    "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
    "no.Such",
];

proptest! {
    #[test]
    fn random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        take(&bytes);
    }

    #[test]
    fn damaged_resources(which in 0..5usize, damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = legal().swap_remove(which);
        for (place, value) in damage {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        take(&bytes);
    }

    #[test]
    fn random_filters(kind in 0..TYPES.len(), value in prop::collection::vec(any::<u8>(), 0..100)) {
        let config = Any { type_url: format!("type.googleapis.com/{}", TYPES[kind]), value };
        let filter = Filter { name: "f".into(), config_type: Some(filter::ConfigType::TypedConfig(config)) };
        drop(listener(&sample::listener(vec![filter]), &mut Registry::default()));
    }
}
