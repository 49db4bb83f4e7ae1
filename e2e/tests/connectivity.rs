//! Pods reach each other, meshed or not, by every kind of name and address.

use e2e::{
    Mesh,
    manifest::{Echo, HTTP, TCP, client, mesh_config, meshed_namespace, plain_namespace, service},
};

/// Plain pods use service addresses as on Kubernetes; meshed pods reach plain ones; nothing has to be meshed.
#[test]
fn plain_pods_use_service_addresses() {
    let manifests = [
        plain_namespace("plain")
            + &client("plain", "client", "")
            + &Echo::new("plain", "server").yaml()
            + &service("plain", "server", "server", &[HTTP, TCP]),
        meshed_namespace("meshed") + &client("meshed", "client", ""),
    ];
    let mesh = Mesh::up(&manifests);
    for from in ["plain/client", "meshed/client"] {
        assert_eq!(mesh.curl_until(from, &["http://server.plain/"], 200).json()["path"], "/");
        assert_eq!(mesh.tcp(from, "server.plain", 9000, "bytes"), "bytes", "{from}");
    }
}

/// A pod may call itself through its own service: out of its sidecar and in again, with mutual TLS in between.
#[test]
fn a_pod_calls_itself_through_its_service() {
    let manifests = [
        meshed_namespace("shop") + &Echo::new("shop", "server").yaml() + &service("shop", "server", "server", &[HTTP]),
        mesh_config("defaultAccess: Allow"),
    ];
    let mesh = Mesh::up(&manifests);
    let reply = mesh.curl_until("shop/server", &["http://server.shop/"], 200);
    let identity = reply.json()["headers"]["x-forwarded-client-cert"].to_string();
    assert!(identity.contains("spiffe://cluster.local/ns/shop/sa/server"), "{reply:?}");
}

/// A destination that the mesh does not know: passed on or closed, as `outboundPolicy` says (OSM: `tcp_egress`, 39).
#[test]
fn tcp_egress() {
    let manifests = [
        meshed_namespace("meshed") + &client("meshed", "client", ""),
        plain_namespace("plain") + &Echo::new("plain", "server").yaml(),
    ];
    let mesh = Mesh::up_with(&manifests, &["--allow-host-loopback"]);
    // The host's own loopback is outside of the mesh; its address inside is the gateway's.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            use std::io::Write as _;
            let mut stream = stream;
            drop(stream.write_all(b"outside"));
        }
    });
    let look = || mesh.tcp("meshed/client", "host.leno.internal", port, "");
    let _reached = e2e::wait::until("the outside is reached", look, |text| text == "outside");
    mesh.apply(&mesh_config("outboundPolicy: RegistryOnly"));
    let _closed = e2e::wait::until("the outside is closed", look, String::is_empty);
}

/// A service without ready instances answers 503 at once, and says why.
#[test]
fn no_instance_is_answered_503() {
    let manifests = [
        meshed_namespace("shop") + &client("shop", "client", "") + &service("shop", "server", "server", &[HTTP]),
        mesh_config("defaultAccess: Allow"),
    ];
    let mesh = Mesh::up(&manifests);
    let reply = mesh.curl_until("shop/client", &["-i", "http://server.shop/"], 503);
    assert!(reply.body.contains("UH"), "{reply:?}");
    mesh.apply(&Echo::new("shop", "server").yaml());
    mesh.curl_until("shop/client", &["http://server.shop/"], 200);
}
