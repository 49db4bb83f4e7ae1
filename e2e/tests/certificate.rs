//! Identities: issued by the mesh's own authority, short-lived, renewed under load.

use e2e::{
    Mesh,
    manifest::{Echo, HTTP, client, mesh_config, meshed_namespace, service},
    wait,
};

fn expiry(mesh: &Mesh) -> f64 {
    let text = mesh.curl("shop/server", &["http://127.0.0.1:15020/stats/prometheus"]).body;
    let line = text.lines().find(|line| line.starts_with("leno_certificate_expiry_timestamp_seconds"));
    line.and_then(|line| line.rsplit(' ').next()).and_then(|value| value.parse().ok()).unwrap_or(0.0)
}

/// OSM's `certmanager` (1) with the mesh's own authority: certificates of one minute are renewed at half of it, and no
/// request is lost meanwhile.
#[test]
fn certificates_are_renewed_under_load() {
    let mesh = Mesh::up(&[
        meshed_namespace("shop")
            + &client("shop", "client", "")
            + &Echo::new("shop", "server").yaml()
            + &service("shop", "server", "server", &[HTTP]),
        mesh_config("defaultAccess: Allow, certificateLifetime: 1m"),
    ]);
    mesh.curl_until("shop/client", &["http://server.shop/"], 200);
    let first = expiry(&mesh);
    assert!(first > 0.0);
    let load = mesh.exec(
        "shop/client",
        &[
            "timeout",
            "-s",
            "TERM",
            "40",
            "leno",
            "demo",
            "echo",
            "load",
            "http://server.shop/",
            "--every",
            "5",
            "--clients",
            "2",
        ],
    );
    let seen: serde_json::Value =
        serde_json::from_slice(&load.stdout).unwrap_or_else(|error| panic!("{error}: {load:?}"));
    assert_eq!(seen["statuses"], serde_json::json!({ "200": seen["answers"] }), "{seen:#}");
    let renewed = wait::until("the certificate is renewed", || expiry(&mesh), |now| *now > first);
    assert!(renewed - first >= 20.0, "{first} → {renewed}");
}
