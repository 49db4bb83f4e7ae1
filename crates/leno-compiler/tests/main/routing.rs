//! Traffic splits: where requests go.

use leno_compiler::{Kind, resource};
use leno_model::{Protocol, Snapshot};
use leno_proto::{
    any::unpack,
    v3::route::{RouteConfiguration, route::Action, route_action::ClusterSpecifier, route_match::PathSpecifier},
};

use crate::mesh::{add_service, bookstore, get, scope, split};

/// The routes of the store, shortly.
fn routes(snapshot: &Snapshot) -> Vec<String> {
    let any = resource(snapshot, &scope("buyer-1"), Kind::Route, "outbound/shop/store:80").unwrap();
    let mut hosts = unpack::<RouteConfiguration>(&any).unwrap().virtual_hosts;
    let mut routes = hosts.remove(0).routes;
    let last = routes.pop().unwrap();
    assert!(matches!(last.r#match.unwrap().path_specifier, Some(PathSpecifier::ConnectMatcher(_))));
    assert_eq!(Some(&last.action), routes.last().map(|all| &all.action), "CONNECT goes where everything else goes");
    routes.into_iter().map(|route| action(&route.action.unwrap())).collect()
}

fn action(action: &Action) -> String {
    match action {
        Action::Route(route) => match route.cluster_specifier.as_ref().unwrap() {
            ClusterSpecifier::Cluster(name) => name.replace("outbound/shop/", ""),
            ClusterSpecifier::WeightedClusters(clusters) => {
                let share = |cluster: &leno_proto::v3::route::weighted_cluster::ClusterWeight| {
                    format!("{}={}", cluster.name.replace("outbound/shop/", ""), cluster.weight.as_ref().unwrap().value)
                };
                clusters.clusters.iter().map(share).collect::<Vec<_>>().join(" ")
            }
            other => panic!("{other:?}"),
        },
        Action::DirectResponse(response) => response.status.to_string(),
        other => panic!("{other:?}"),
    }
}

fn with(backends: &[(&str, u32)]) -> Vec<String> {
    let mut snapshot = bookstore();
    snapshot.traffic_splits = vec![split("s", "store", backends, vec![])];
    routes(&snapshot)
}

#[test]
fn weights_are_relative_and_zero_gets_nothing() {
    assert_eq!(with(&[("store-v1", 1000), ("store-v2", 500)]), ["store-v1:80=1000 store-v2:80=500"]);
    assert_eq!(with(&[("store-v1", 0), ("store-v2", 5)]), ["store-v2:80"]);
    assert_eq!(with(&[("store-v1", 0), ("store-v2", 0)]), ["503"]);
    assert_eq!(with(&[("store-v1", 1), ("store-v1", 2), ("store-v2", 3)]), ["store-v1:80=3 store-v2:80=3"]);
}

#[test]
fn the_sum_of_weights_fits_32_bits() {
    let huge = u32::MAX;
    let shares = with(&[("store-v1", huge), ("store-v2", 1)]);
    assert_eq!(shares, [format!("store-v1:80={} store-v2:80=1", huge / 2)]);
}

#[test]
fn a_backend_without_the_port_gets_nothing() {
    assert_eq!(with(&[("ledger", 50), ("store-v1", 50)]), ["store-v1:80"]);
    assert_eq!(with(&[("not-there-yet", 50), ("store-v1", 50)]), ["store-v1:80"]);
    assert_eq!(with(&[("ledger", 50)]), ["503"]);
}

#[test]
fn the_root_may_be_a_backend_and_splits_are_not_followed() {
    let mut snapshot = bookstore();
    snapshot.traffic_splits = vec![
        split("a", "store", &[("store", 90), ("store-v2", 10)], vec![]),
        split("b", "store-v2", &[("store-v1", 1)], vec![]),
    ];
    assert_eq!(routes(&snapshot), ["store:80=90 store-v2:80=10"]);
}

#[test]
fn what_fits_no_match_goes_to_the_root() {
    let mut snapshot = bookstore();
    snapshot.traffic_splits = vec![split("a", "store", &[("store-v2", 1)], vec![get("/new"), get("/newer")])];
    assert_eq!(routes(&snapshot), ["store-v2:80", "store-v2:80", "store:80"]);
}

#[test]
fn of_several_splits_those_with_matches_come_first_and_one_takes_the_rest() {
    let mut snapshot = bookstore();
    snapshot.traffic_splits = vec![
        split("a", "store", &[("store-v1", 1)], vec![]),
        split("b", "store", &[("store-v2", 1)], vec![get("/new")]),
        split("c", "store", &[("store-v2", 1)], vec![]),
    ];
    assert_eq!(routes(&snapshot), ["store-v2:80", "store-v1:80"]);
}

#[test]
fn without_a_split_the_service_itself_is_called() {
    let mut snapshot = bookstore();
    snapshot.traffic_splits.clear();
    assert_eq!(routes(&snapshot), ["store:80"]);
    let any = resource(&snapshot, &scope("buyer-1"), Kind::Route, "outbound/shop/store:81");
    assert!(any.is_none());
}

#[test]
fn datagram_ports_are_nothing_to_a_proxy() {
    let mut snapshot = bookstore();
    add_service(&mut snapshot, "dns", "10.96.0.53", &[(53, 53, Protocol::Udp)], &["ledger"]);
    for (kind, name) in [
        (Kind::Listener, "outbound/10.96.0.53:53"),
        (Kind::Route, "outbound/shop/dns:53"),
        (Kind::Cluster, "outbound/shop/dns:53"),
    ] {
        assert!(resource(&snapshot, &scope("buyer-1"), kind, name).is_none(), "{name}");
    }
}

#[test]
fn only_ready_endpoints_are_listed() {
    let mut snapshot = bookstore();
    let store = snapshot.services.get_mut(&crate::mesh::service_name("store")).unwrap();
    std::sync::Arc::make_mut(store).endpoints.get_mut(&80).unwrap()[0].ready = false;
    let any = resource(&snapshot, &scope("buyer-1"), Kind::Endpoint, "outbound/shop/store:80").unwrap();
    let assignment: leno_proto::v3::endpoint::ClusterLoadAssignment = unpack(&any).unwrap();
    assert_eq!(assignment.endpoints[0].lb_endpoints.len(), 1);
}
