//! Names inside the mesh.

use e2e::{
    Mesh,
    manifest::{Echo, HTTP, client, plain_namespace, service, service_with},
    wait,
};

#[test]
fn every_form_of_a_name_is_known() {
    let manifests = [plain_namespace("plain")
        + &client("plain", "client", "")
        + &Echo::new("plain", "server").yaml()
        + &service("plain", "server", "server", &[HTTP])
        + &service_with("plain", "headless", "app: server", "clusterIP: None", &["{ name: http, port: 8080 }"])];
    let mesh = Mesh::up(&manifests);
    let lookup = |name: &str| {
        let output = mesh.exec("plain/client", &["getent", "ahostsv4", name]);
        String::from_utf8_lossy(&output.stdout).split_whitespace().next().unwrap_or_default().to_owned()
    };
    let address = wait::until("the short name", || lookup("server"), |address| address.starts_with("10.96."));
    for name in ["server.plain", "server.plain.svc", "server.plain.svc.cluster.local"] {
        assert_eq!(lookup(name), address, "{name}");
    }
    let pod = mesh.pod_field("plain/server", "ip");
    assert_eq!(lookup("headless.plain"), pod);
    assert_eq!(lookup("nothing.plain"), "");
    let _resolv = mesh.exec("plain/client", &["grep", "-q", "10.96.0.10", "/etc/resolv.conf"]);
}
