//! The semantics of SMI's TrafficTarget.

use leno_model::{ServiceAccountName, policy::authorization::Ports};

use crate::{assembled, notes, wrong};

const ROUTES: &str = "
apiVersion: specs.smi-spec.io/v1alpha4
kind: HTTPRouteGroup
metadata: {name: routes, namespace: shop}
spec:
  matches:
  - {name: read, pathRegex: /cart/.*, methods: [GET]}
  - {name: any, methods: ['*'], headers: [{Client-App: shop.*}]}
---
apiVersion: specs.smi-spec.io/v1alpha4
kind: TCPRoute
metadata: {name: port, namespace: shop}
spec: {matches: {ports: [8080]}}
---
apiVersion: specs.smi-spec.io/v1alpha4
kind: TCPRoute
metadata: {name: every-port, namespace: shop}
spec: {matches: {ports: []}}
---
apiVersion: specs.smi-spec.io/v1alpha4
kind: UDPRoute
metadata: {name: datagrams, namespace: shop}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: cart, namespace: shop}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: web, namespace: front}
---
";

fn target(rules: &str) -> String {
    format!(
        "{ROUTES}apiVersion: access.smi-spec.io/v1alpha3\nkind: TrafficTarget\nmetadata: {{name: t, namespace: shop}}\n\
         spec:\n  destination: {{kind: ServiceAccount, name: cart}}\n  \
         sources: [{{kind: ServiceAccount, name: web, namespace: front}}]\n  rules: {rules}\n"
    )
}

#[test]
fn all_matches_of_a_group_count_when_none_is_named() {
    let assembly = assembled(&target("[{kind: HTTPRouteGroup, name: routes}]"));
    assert_eq!(wrong(&assembly), [""; 0]);
    assert_eq!(notes(&assembly), [""; 0]);
    let rule = &assembly.snapshot.access_rules[0];
    assert_eq!(rule.destination, ServiceAccountName::new("shop", "cart"));
    assert_eq!(rule.sources, [ServiceAccountName::new("front", "web")]);
    assert_eq!(rule.ports, None);
    let http = rule.http.as_ref().unwrap();
    assert_eq!(http.len(), 2);
    assert_eq!(http[0].methods, ["GET"]);
    assert_eq!(http[1].methods, [""; 0]);
    assert_eq!(http[1].headers, [("client-app".to_owned(), "shop.*".to_owned())]);
}

#[test]
fn named_matches_alone_count() {
    let assembly = assembled(&target("[{kind: HTTPRouteGroup, name: routes, matches: [read]}]"));
    let http = assembly.snapshot.access_rules[0].http.clone().unwrap();
    assert_eq!(http.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["read"]);
}

#[test]
fn a_tcp_route_without_ports_means_every_port() {
    let assembly = assembled(&target("[{kind: TCPRoute, name: every-port}]"));
    let rule = &assembly.snapshot.access_rules[0];
    assert_eq!((rule.http.clone(), rule.ports.clone()), (None, Some(Ports::All)));
}

#[test]
fn an_http_rule_and_a_tcp_rule_narrow_each_other() {
    let assembly = assembled(&target("[{kind: HTTPRouteGroup, name: routes}, {kind: TCPRoute, name: port}]"));
    let rule = &assembly.snapshot.access_rules[0];
    assert_eq!(assembly.snapshot.access_rules.len(), 1);
    assert_eq!(rule.http.as_ref().unwrap().len(), 2);
    assert_eq!(rule.ports, Some(Ports::Only(vec![8080])));
}

#[test]
fn a_missing_route_lets_nothing_through_instead_of_everything() {
    for (rules, field) in [
        ("[{kind: HTTPRouteGroup, name: nowhere}]", "spec.rules[0].name"),
        ("[{kind: TCPRoute, name: nowhere}]", "spec.rules[0].name"),
        ("[{kind: UDPRoute, name: nowhere}]", "spec.rules[0].name"),
        ("[{kind: HTTPRouteGroup, name: routes}, {kind: TCPRoute, name: nowhere}]", "spec.rules[1].name"),
        ("[{kind: TCPRoute, name: port}, {kind: HTTPRouteGroup, name: nowhere}]", "spec.rules[1].name"),
        ("[{kind: HTTPRouteGroup, name: routes, matches: [nothing]}]", "spec.rules[0].matches[0]"),
    ] {
        let assembly = assembled(&target(rules));
        assert!(assembly.snapshot.access_rules.is_empty(), "{rules}");
        assert_eq!(assembly.invalid.iter().map(|it| it.field.as_str()).collect::<Vec<_>>(), [field], "{rules}");
    }
    let assembly = assembled(&target("[{kind: HTTPRouteGroup, name: nowhere}]"));
    assert_eq!(
        wrong(&assembly),
        ["mesh.yaml:38:40 TrafficTarget shop/t: spec.rules[0].name is \"nowhere\", expected an HTTPRouteGroup in the \
          namespace shop; until it is there nothing passes by this rule"]
    );
}

#[test]
fn a_rule_of_datagrams_lets_nothing_in_and_says_so() {
    let assembly = assembled(&target("[{kind: UDPRoute, name: datagrams}]"));
    assert!(assembly.snapshot.access_rules.is_empty());
    assert_eq!(wrong(&assembly), [""; 0]);
    assert!(notes(&assembly)[0].contains("datagrams are not carried"), "{:?}", notes(&assembly));
}

#[test]
fn a_target_outside_of_its_destinations_namespace_is_ignored() {
    let text = target("[{kind: HTTPRouteGroup, name: routes}]")
        .replace("{kind: ServiceAccount, name: cart}", "{kind: ServiceAccount, name: cart, namespace: other}");
    let assembly = assembled(&text);
    assert!(assembly.snapshot.access_rules.is_empty());
    assert!(wrong(&assembly)[0].contains("spec.destination.namespace is \"other\", expected the namespace of"));
}

#[test]
fn an_account_that_nobody_has_is_remarked_but_kept() {
    let text = target("[{kind: HTTPRouteGroup, name: routes}]")
        .replace("name: web, namespace: front}]", "name: wbe, namespace: front}]");
    let assembly = assembled(&text);
    assert_eq!(assembly.snapshot.access_rules.len(), 1);
    assert_eq!(
        notes(&assembly),
        ["mesh.yaml:32:1 TrafficTarget shop/t: it names the service account front/wbe, which is not there"]
    );
}

#[test]
fn the_port_of_an_older_destination_narrows() {
    let text = target("[{kind: HTTPRouteGroup, name: routes}]")
        .replace("access.smi-spec.io/v1alpha3", "access.smi-spec.io/v1alpha2")
        .replace("name: cart}\n  s", "name: cart, port: 9090}\n  s");
    assert_eq!(assembled(&text).snapshot.access_rules[0].ports, Some(Ports::Only(vec![9090])));
    let text = text.replace("[{kind: HTTPRouteGroup, name: routes}]", "[{kind: TCPRoute, name: port}]");
    assert!(assembled(&text).snapshot.access_rules.is_empty());
}
