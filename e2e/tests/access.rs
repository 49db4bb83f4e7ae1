//! Who may call whom, and what those hear who may not.

use e2e::{
    Mesh,
    manifest::{Echo, HTTP, TCP, allow_http, allow_tcp, client, meshed_namespace, service},
    wait,
};

fn manifests() -> [String; 2] {
    [
        meshed_namespace("shop") + &client("shop", "client", "") + &client("shop", "stranger", ""),
        Echo::new("shop", "server").yaml() + &service("shop", "server", "server", &[HTTP, TCP]),
    ]
}

/// A refusal is an HTTP answer that names who asked, and it is logged and counted at the server's sidecar.
#[test]
fn a_refusal_says_who_and_why_and_is_counted() {
    let mesh = Mesh::up(&manifests());
    let reply = mesh.curl("shop/stranger", &["-i", "http://server.shop/"]);
    assert_eq!(reply.status, 403, "{reply:?}");
    assert!(reply.body.contains("spiffe://cluster.local/ns/shop/sa/stranger"), "{reply:?}");
    assert!(reply.body.contains("x-leno-denied-by"), "{reply:?}");
    assert_eq!(mesh.tcp("shop/stranger", "server.shop", 9000, "let me in"), "");
    let counted = wait::until(
        "both denials are counted",
        || mesh.curl("shop/server", &["http://127.0.0.1:15020/stats/prometheus"]).body,
        |text| {
            text.lines().filter(|line| line.starts_with("leno_denied_total") && line.contains("sa/stranger")).count()
                >= 2
        },
    );
    assert!(counted.contains("# TYPE leno_denied_total counter"), "{counted}");
    let pod = mesh.pods("shop/server").remove(0);
    let log = mesh.ok(&["logs", "-n", "shop", &pod, "-c", "proxy"]);
    assert!(log.contains("spiffe://cluster.local/ns/shop/sa/stranger"), "{log}");
}

/// Every word of an HTTPRouteGroup counts: path, method, headers in both shapes, several matches as OR.
#[test]
fn http_route_group_matches_path_method_and_headers() {
    let group = "---\napiVersion: specs.smi-spec.io/v1alpha4\nkind: HTTPRouteGroup\nmetadata: { name: routes, namespace: shop }\nspec:\n  matches:\n    \
        - { name: map, pathRegex: \"/map\", methods: [GET], headers: { x-a: \"1.*\", x-b: \"2\" } }\n    \
        - { name: list, pathRegex: \"/list/[0-9]+\", methods: [POST], headers: [ { x-a: \"1\" } ] }\n    \
        - { name: unused, pathRegex: \"/unused\" }\n";
    let target = "---\napiVersion: access.smi-spec.io/v1alpha3\nkind: TrafficTarget\nmetadata: { name: it, namespace: shop }\nspec:\n  \
        destination: { kind: ServiceAccount, name: server, namespace: shop }\n  \
        rules: [ { kind: HTTPRouteGroup, name: routes, matches: [map, list] } ]\n  \
        sources: [ { kind: ServiceAccount, name: client, namespace: shop } ]\n";
    let mut manifests = manifests().to_vec();
    manifests.push(format!("{group}{target}"));
    let mesh = Mesh::up(&manifests);
    let call = |arguments: &[&str]| mesh.curl("shop/client", arguments).status;
    mesh.curl_until("shop/client", &["-H", "x-a: 15", "-H", "x-b: 2", "http://server.shop/map?q=1"], 200);
    assert_eq!(call(&["-H", "x-a: 15", "http://server.shop/map"]), 403, "a header is missing");
    assert_eq!(call(&["-H", "x-a: 25", "-H", "x-b: 2", "http://server.shop/map"]), 403, "a header does not fit");
    assert_eq!(call(&["-H", "x-a: 1", "-H", "x-b: 2", "http://server.shop/map/more"]), 403, "the path goes on");
    assert_eq!(call(&["-X", "POST", "-H", "x-a: 1", "http://server.shop/list/42"]), 200);
    assert_eq!(call(&["-H", "x-a: 1", "http://server.shop/list/42"]), 403, "GET is not listed");
    assert_eq!(call(&["http://server.shop/unused"]), 403, "the target does not name this match");
}

/// An HTTP rule gives no bytes, a TCP rule gives the whole port.
#[test]
fn http_and_tcp_rules_do_not_mix() {
    let mut manifests = manifests().to_vec();
    manifests.push(allow_http("shop/server", ".*", "\"*\"", &["shop/client"]));
    let mesh = Mesh::up(&manifests);
    mesh.curl_until("shop/client", &["http://server.shop/"], 200);
    assert_eq!(mesh.tcp("shop/client", "server.shop", 9000, "bytes"), "");
    mesh.apply(&allow_tcp("shop/server", "9000", &["shop/client"]));
    let look = || mesh.tcp("shop/client", "server.shop", 9000, "bytes");
    let _echoed = wait::until("bytes pass", look, |text| text == "bytes");
    assert_eq!(mesh.tcp("shop/stranger", "server.shop", 9000, "bytes"), "");
}
