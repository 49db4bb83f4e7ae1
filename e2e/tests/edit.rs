//! Editing manifests while the mesh runs.

use e2e::{
    Mesh,
    manifest::{Echo, HTTP, allow_http, client, meshed_namespace, service, traffic_split},
    wait,
};

fn manifests() -> Vec<String> {
    vec![
        meshed_namespace("shop") + &client("shop", "client", ""),
        Echo::new("shop", "server").yaml() + &service("shop", "server", "server", &[HTTP]),
        allow_http("shop/server", ".*", "\"*\"", &["shop/client"]),
    ]
}

#[test]
fn a_broken_edit_is_reported_and_the_old_state_goes_on() {
    let mesh = Mesh::up(&manifests());
    mesh.curl_until("shop/client", &["http://server.shop/"], 200);
    mesh.edit("02.yaml", &allow_http("shop/server", "[", "\"*\"", &["shop/client"]));
    let report =
        wait::until("the edit is reported", || mesh.view()["invalid"].to_string(), |text| text.contains("02.yaml"));
    for needle in ["HTTPRouteGroup shop/server-http", "spec.matches[0].pathRegex", "["] {
        assert!(report.contains(needle), "{needle:?} is not in {report}");
    }
    assert_eq!(mesh.curl("shop/client", &["http://server.shop/"]).status, 200);
    mesh.edit("02.yaml", &allow_http("shop/server", "/only", "\"*\"", &["shop/client"]));
    mesh.curl_until("shop/client", &["http://server.shop/"], 403);
    assert_eq!(mesh.view()["invalid"], serde_json::json!([]));
}

#[test]
fn objects_come_and_go_with_their_files() {
    let mesh = Mesh::up(&manifests());
    mesh.curl_until("shop/client", &["http://server.shop/"], 200);
    mesh.edit(
        "03.yaml",
        &(Echo::new("shop", "late").yaml()
            + &service("shop", "late", "late", &[HTTP])
            + &allow_http("shop/late", ".*", "\"*\"", &["shop/client"])),
    );
    mesh.curl_until("shop/client", &["http://late.shop/"], 200);
    mesh.remove("03.yaml");
    wait::until("the pods are gone", || mesh.pods("shop/late"), Vec::is_empty);
    let gone =
        wait::until("the name is gone", || mesh.curl("shop/client", &["http://late.shop/"]), |reply| reply.exit == 6);
    assert_eq!(gone.status, 0);
    assert!(!mesh.ok(&["get", "deployment", "-n", "shop"]).contains("late"));
}

#[test]
fn apply_and_delete_change_the_running_mesh() {
    let mesh = Mesh::up(&manifests());
    let split = traffic_split("shop", "server", &["{ service: nowhere, weight: 1 }"]);
    mesh.apply(&split);
    mesh.curl_until("shop/client", &["http://server.shop/"], 503);
    let shown = mesh.ok(&["get", "trafficsplit", "server", "-n", "shop", "-o", "yaml"]);
    assert!(shown.contains("nowhere"), "{shown}");
    mesh.delete(&split);
    mesh.curl_until("shop/client", &["http://server.shop/"], 200);
}
