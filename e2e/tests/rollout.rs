//! Rolling updates under load: no request is lost.

use std::process::{Command, Stdio};

use e2e::{
    Mesh,
    manifest::{Echo, HTTP, client, mesh_config, meshed_namespace, service},
    mesh::leno,
    wait,
};

/// Every service restarts while a client calls without pause, over kept connections and over new ones.
#[test]
fn a_rolling_restart_loses_no_request() {
    let mut server = Echo::new("shop", "server");
    server.replicas = 2;
    let manifests = [
        meshed_namespace("shop") + &client("shop", "client", ""),
        server.yaml(),
        service("shop", "server", "server", &[HTTP]),
        mesh_config("defaultAccess: Allow"),
    ];
    let mesh = Mesh::up(&manifests);
    mesh.curl_until("shop/client", &["http://server.shop/"], 200);
    let load = |flags: &[&str]| {
        let mut command = Command::new(leno());
        command.args(["--mesh", mesh.name(), "exec", "-n", "shop", "client", "--"]);
        command.args([
            "timeout",
            "-s",
            "TERM",
            "25",
            "leno",
            "demo",
            "echo",
            "load",
            "http://server.shop/",
            "--clients",
            "2",
            "--every",
            "2",
        ]);
        command.args(flags).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("the load starts")
    };
    let loads = [load(&[]), load(&["--no-keepalive"]), load(&["--http2"])];
    for round in 0..2 {
        let before = mesh.pods("shop/server");
        server_with_round(&mesh, &server, round);
        let replaced = |pods: &Vec<String>| pods.len() == 2 && pods.iter().all(|pod| !before.contains(pod));
        wait::until("both pods are replaced", || mesh.pods("shop/server"), replaced);
    }
    for load in loads {
        let output = load.wait_with_output().expect("the load ends");
        let text = String::from_utf8_lossy(&output.stdout);
        let seen: serde_json::Value =
            serde_json::from_str(text.trim()).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        assert_eq!(seen["statuses"], serde_json::json!({ "200": seen["answers"] }), "{seen:#}");
        assert!(seen["answers"].as_u64() > Some(500), "{seen:#}");
        assert!(seen["pods"].as_object().is_some_and(|pods| pods.len() >= 6), "old and new pods answered: {seen:#}");
    }
}

fn server_with_round(mesh: &Mesh, server: &Echo<'_>, round: u32) {
    let annotation = format!("round: \"{round}\"");
    let mut changed = server.clone();
    changed.annotations = &annotation;
    mesh.edit("01.yaml", &changed.yaml());
}
