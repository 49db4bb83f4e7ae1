//! Sessions (`sessionPersistence` of routes): they stay with one pod as long as it lives.

use std::collections::BTreeSet;

use e2e::{
    Mesh,
    manifest::{Echo, HTTP, client, mesh_config, meshed_namespace, service},
    wait,
};

fn route(session: &str) -> String {
    format!(
        "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{ name: sticky, namespace: shop }}\n\
         spec:\n  parentRefs: [{{ group: '', kind: Service, name: server, port: 80 }}]\n  rules:\n    \
         - backendRefs: [{{ name: server, port: 80 }}]\n      sessionPersistence: {{ {session} }}\n"
    )
}

#[test]
fn sessions_stay_with_a_pod_as_long_as_it_lives() {
    let shop = meshed_namespace("shop")
        + &client("shop", "web", "")
        + &Echo { replicas: 3, ..Echo::new("shop", "server") }.yaml()
        + &service("shop", "server", "server", &[HTTP]);
    let mesh = Mesh::up(&[shop, mesh_config("defaultAccess: Allow")]);
    let url = "http://server.shop/";
    // The value of a header of the answer, and the pod.
    let call = |header: &str, more: &[&str]| {
        let reply = mesh.curl("shop/web", &[&["-i", url], more].concat());
        let (head, body) = reply.body.split_once("\r\n\r\n").unwrap_or_default();
        let told = head.lines().find_map(|line| line.strip_prefix(&format!("{header}: ")).map(str::to_owned));
        let body: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
        (told, body["pod"].as_str().unwrap_or_default().to_owned())
    };

    mesh.apply(&route("sessionName: s, absoluteTimeout: 1h, cookieConfig: { lifetimeType: Permanent }"));
    let told = || call("set-cookie", &[]);
    let (cookie, pod) = wait::until("a cookie is told", told, |(cookie, _)| cookie.is_some());
    let cookie = cookie.unwrap_or_default();
    assert!(cookie.starts_with("s=\"") && cookie.contains("Max-Age=3600; Path=/"), "{cookie}");
    let cookie = format!("cookie: {}", cookie.split(';').next().unwrap_or_default());
    for _ in 0..12 {
        assert_eq!(call("set-cookie", &["-H", &cookie]), (None, pod.clone()), "it stays, and is told nothing anew");
    }
    let others: BTreeSet<_> = (0..30).map(|_| call("set-cookie", &[]).1).collect();
    assert_eq!(others.len(), 3, "who has none goes anywhere: {others:?}");

    drop(mesh.ok(&["delete", "pod", &pod, "-n", "shop"]));
    let moved = || call("set-cookie", &["-H", &cookie]);
    let (told, other) = wait::until("the pod is gone", moved, |(told, _)| told.is_some());
    assert!(other != pod && !other.is_empty(), "{other}");
    let cookie = format!("cookie: {}", told.unwrap_or_default().split(';').next().unwrap_or_default());
    assert_eq!(call("set-cookie", &["-H", &cookie]), (None, other));

    mesh.apply(&route("sessionName: X-Session, type: Header"));
    let told = || call("x-session", &[]);
    let (header, pod) = wait::until("a header is told", told, |(header, _)| header.is_some());
    let header = format!("x-session: {}", header.unwrap_or_default());
    for _ in 0..12 {
        assert_eq!(call("x-session", &["-H", &header]), (None, pod.clone()));
    }

    mesh.apply(&route("sessionName: s, idleTimeout: 1h"));
    let status = || mesh.ok(&["get", "httproute", "sticky", "-n", "shop", "-o", "yaml"]);
    wait::until("the status says so", status, |text| text.contains("UnsupportedValue") && text.contains("idleTimeout"));
}
