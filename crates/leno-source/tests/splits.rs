//! The semantics of SMI's TrafficSplit.

use leno_model::ServiceName;

use crate::{assembled, notes, wrong};

const SERVICES: &str = "
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec: {ports: [{name: http, port: 80}, {name: admin, port: 81}]}
---
apiVersion: v1
kind: Service
metadata: {name: cart-v1, namespace: shop}
spec: {ports: [{name: http, port: 80}, {name: admin, port: 81}]}
---
apiVersion: v1
kind: Service
metadata: {name: cart-v2, namespace: shop}
spec: {ports: [{port: 80}]}
---
apiVersion: specs.smi-spec.io/v1alpha4
kind: HTTPRouteGroup
metadata: {name: beta, namespace: shop}
spec: {matches: [{name: beta, headers: {x-beta: 'yes'}}]}
---
apiVersion: specs.smi-spec.io/v1alpha4
kind: HTTPRouteGroup
metadata: {name: gamma, namespace: shop}
spec: {matches: [{name: gamma, pathRegex: /gamma}]}
---
";

fn split(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: split.smi-spec.io/v1alpha4\nkind: TrafficSplit\nmetadata: {{name: {name}, namespace: shop}}\n\
         spec: {spec}\n---\n"
    )
}

#[test]
fn the_root_is_named_as_clients_name_it() {
    let root = ServiceName::new("shop", "cart");
    for name in ["cart", "cart.shop", "cart.shop.svc", "cart.shop.svc.cluster.local"] {
        let spec = format!("{{service: {name}, backends: [{{service: cart-v1, weight: 1}}]}}");
        let assembly = assembled(&format!("{SERVICES}{}", split("s", &spec)));
        assert_eq!(wrong(&assembly), [""; 0]);
        assert_eq!(assembly.snapshot.traffic_splits[0].root, root, "{name}");
    }
    for name in ["cart.other", "cart.shop.example.org", "cart.shop.sv", "cart.other.svc.cluster.local"] {
        let spec = format!("{{service: {name}, backends: [{{service: cart-v1, weight: 1}}]}}");
        let assembly = assembled(&format!("{SERVICES}{}", split("s", &spec)));
        assert!(assembly.snapshot.traffic_splits.is_empty(), "{name}");
        assert!(wrong(&assembly)[0].contains("spec.service is"), "{:?}", wrong(&assembly));
    }
}

#[test]
fn a_backend_may_be_the_root_itself_or_not_exist_yet() {
    let spec = "{service: cart, backends: [{service: cart, weight: 90}, {service: later, weight: 10}]}";
    let assembly = assembled(&format!("{SERVICES}{}", split("s", spec)));
    let split = &assembly.snapshot.traffic_splits[0];
    assert_eq!(split.backends[0].service, split.root);
    assert_eq!(split.backends[1].weight.0, 10);
    assert!(notes(&assembly)[0].ends_with("its backend shop/later is not there and gets nothing"));
}

#[test]
fn a_backend_without_the_roots_port_is_remarked() {
    let spec = "{service: cart, backends: [{service: cart-v1, weight: 1}, {service: cart-v2, weight: 1}]}";
    let assembly = assembled(&format!("{SERVICES}{}", split("s", spec)));
    assert_eq!(assembly.snapshot.traffic_splits.len(), 1);
    assert_eq!(notes(&assembly).len(), 1);
    assert!(notes(&assembly)[0].contains("its backend shop/cart-v2 has no port 81"), "{:?}", notes(&assembly));
}

#[test]
fn of_two_splits_of_all_requests_the_first_by_name_wins() {
    let first = split("a", "{service: cart, backends: [{service: cart-v1, weight: 1}]}");
    let second = split("b", "{service: cart.shop, backends: [{service: cart-v1, weight: 2}]}");
    for text in [format!("{SERVICES}{first}{second}"), format!("{SERVICES}{second}{first}")] {
        let assembly = assembled(&text);
        assert_eq!(assembly.snapshot.traffic_splits.len(), 1);
        assert_eq!(assembly.snapshot.traffic_splits[0].origin.name, "a");
        assert!(
            notes(&assembly)[0]
                .contains("TrafficSplit shop/b: it splits all requests to shop/cart, as TrafficSplit shop/a")
        );
    }
}

#[test]
fn splits_of_different_requests_stand_side_by_side_and_before_that_of_all() {
    let all = split("a", "{service: cart, backends: [{service: cart-v1, weight: 1}]}");
    let beta = split(
        "b",
        "{service: cart, matches: [{kind: HTTPRouteGroup, name: beta}], backends: [{service: cart-v1, weight: 1}]}",
    );
    let gamma = split(
        "c",
        "{service: cart, matches: [{kind: HTTPRouteGroup, name: gamma}], backends: [{service: cart-v1, weight: 1}]}",
    );
    let again = split(
        "d",
        "{service: cart, matches: [{kind: HTTPRouteGroup, name: beta}], backends: [{service: cart-v1, weight: 9}]}",
    );
    let assembly = assembled(&format!("{SERVICES}{all}{beta}{gamma}{again}"));
    let order: Vec<_> = assembly.snapshot.traffic_splits.iter().map(|it| it.origin.name.as_str()).collect();
    assert_eq!(order, ["b", "c", "d", "a"]);
    assert_eq!(notes(&assembly).len(), 1);
    assert!(notes(&assembly)[0].contains("TrafficSplit shop/d: it splits the same requests"), "{:?}", notes(&assembly));
}

#[test]
fn several_groups_of_one_split_are_joined_and_missing_ones_split_nothing() {
    let both = "{service: cart, matches: [{kind: HTTPRouteGroup, name: beta}, {kind: HTTPRouteGroup, name: gamma}], backends: [{service: cart-v1, weight: 1}]}";
    let assembly = assembled(&format!("{SERVICES}{}", split("s", both)));
    assert_eq!(assembly.snapshot.traffic_splits[0].matches.len(), 2);
    let assembly = assembled(&format!("{SERVICES}{}", split("s", &both.replace("name: gamma", "name: none"))));
    assert_eq!(assembly.snapshot.traffic_splits[0].matches.len(), 1);
    assert_eq!(assembly.invalid.len(), 1);
    let none = both.replace("name: gamma", "name: none").replace("name: beta", "name: nothing");
    let assembly = assembled(&format!("{SERVICES}{}", split("s", &none)));
    assert!(assembly.snapshot.traffic_splits.is_empty());
}
