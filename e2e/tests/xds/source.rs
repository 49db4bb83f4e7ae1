//! Resources that come from sources of their own.

use std::{net::TcpStream, process::Command};

use e2e::{mesh::leno, port, process::Running, wait};
use serde_json::{Value, json};

use super::{
    Proxy,
    config::{address, bootstrap, cluster, control_cluster, endpoints, listener, routes, say, to},
    envoy, get, replace,
    server::Server,
    snapshot, until_says,
};

/// A stream of its own to the control plane.
fn own(protocol: &str, timeout: &str) -> Value {
    let service = json!({ "envoy_grpc": { "cluster_name": "xds" } });
    json!({
        "api_config_source": { "api_type": protocol, "transport_api_version": "V3", "grpc_services": [service] },
        "resource_api_version": "V3",
        "initial_fetch_timeout": timeout,
    })
}

/// A listener whose routes come from there.
fn listener_with(name: &str, port: u16, source: &Value) -> Value {
    let mut made = listener(name, port, "r");
    made["filter_chains"][0]["filters"][0]["typed_config"]["rds"]["config_source"] = source.clone();
    made
}

/// A cluster whose endpoints come from there.
fn cluster_with(name: &str, source: &Value) -> Value {
    json!({ "name": name, "type": "EDS", "connect_timeout": "1s", "eds_cluster_config": { "eds_config": source } })
}

fn echo(port: u16) -> Running {
    let echo = ["demo", "echo", "serve", "--bind", "127.0.0.1", "--http"];
    Running::start(Command::new(leno()).args(echo).arg(port.to_string()), port)
}

#[test]
#[ignore = "needs xds-server and Envoy: cargo xtask test"]
fn each_type_may_have_a_stream_of_its_own() {
    let leno = leno().display().to_string();
    for program in [&[leno.as_str(), "proxy"][..], &envoy()] {
        let (control, admin, front, backend) = (port::free(), port::free(), port::free(), port::free());
        let _backend = echo(backend);
        let mut server = Server::start(control, &["-ads=false"]);
        let listeners = [listener_with("front", front, &own("DELTA_GRPC", "0s"))];
        let clusters = [cluster_with("c", &own("GRPC", "0s"))];
        let there = [endpoints("c", &[backend])];
        server.set(&snapshot("1", &clusters, &there, &listeners, &[routes("r", &to("c"))]));
        let mut file = bootstrap("GRPC", control, admin);
        let dynamic = json!({ "lds_config": own("GRPC", "0s"), "cds_config": own("DELTA_GRPC", "0s") });
        file["dynamic_resources"] = dynamic;
        let _proxy = Proxy::start(program, &file, admin);
        until_says(front, "\"path\":\"/\"");
        for of in ["RouteConfiguration", "ClusterLoadAssignment", "Listener", "Cluster"] {
            let is_of = |event: &Value| event["type"].as_str().is_some_and(|url| url.ends_with(&format!(".{of}")));
            server.event(of, |event| event["event"] == "open" && is_of(event));
        }
        server.set(&snapshot("2", &clusters, &there, &listeners, &[routes("r", &say("changed"))]));
        until_says(front, "changed");
        server.judge_nonces();
    }
}

#[test]
#[ignore = "needs xds-server and Envoy: cargo xtask test"]
fn what_does_not_come_is_waited_for_as_long_as_it_is_said() {
    let leno = leno().display().to_string();
    for program in [&[leno.as_str(), "proxy"][..], &envoy()] {
        let (control, admin, short, endless) = (port::free(), port::free(), port::free(), port::free());
        let mut server = Server::start(control, &["-ads=false"]);
        let first = listener_with("short", short, &own("DELTA_GRPC", "1s"));
        server.set(&snapshot("1", &[], &[], std::slice::from_ref(&first), &[]));
        let mut file = bootstrap("GRPC", control, admin);
        file["dynamic_resources"] = json!({ "lds_config": own("GRPC", "0s") });
        let _proxy = Proxy::start(program, &file, admin);
        wait::until("it opens without routes", || get(short, "/"), |answer| answer.starts_with("HTTP/1.1 404"));
        let listeners = [first, listener_with("endless", endless, &own("GRPC", "0s"))];
        server.set(&snapshot("2", &[], &[], &listeners, &[]));
        let taken = |event: &Value| event["event"] == "request" && event["version"] == "2";
        server.event("both listeners are taken", taken);
        assert!(TcpStream::connect(("127.0.0.1", endless)).is_err(), "it waits for its routes");
        server.set(&snapshot("3", &[], &[], &listeners, &[routes("r", &say("late"))]));
        until_says(short, "late");
        until_says(endless, "late");
    }
}

#[test]
#[ignore = "needs Envoy: cargo xtask test"]
fn routes_and_endpoints_may_come_from_files() {
    let leno = leno().display().to_string();
    for program in [&[leno.as_str(), "proxy"][..], &envoy()] {
        let (admin, front, backend) = (port::free(), port::free(), port::free());
        let _backend = echo(backend);
        let folder = tempfile::tempdir().expect("a folder");
        let (rds, eds) = (folder.path().join("rds.json"), folder.path().join("eds.json"));
        let route = |action: &Value| replace(&rds, &[routes("r", action)], "route.v3.RouteConfiguration");
        route(&say("from a file"));
        replace(&eds, &[endpoints("c", &[backend])], "endpoint.v3.ClusterLoadAssignment");
        let source = |path: &std::path::Path| json!({ "path_config_source": { "path": path.display().to_string() }, "resource_api_version": "V3" });
        let file = json!({
            "node": { "id": "edge-1", "cluster": "edge" },
            "admin": { "address": address(admin) },
            "static_resources": {
                "listeners": [listener_with("front", front, &source(&rds))],
                "clusters": [cluster_with("c", &source(&eds))],
            },
        });
        let _proxy = Proxy::start(program, &file, admin);
        until_says(front, "from a file");
        route(&to("c"));
        until_says(front, "\"path\":\"/\"");
    }
}

/// What a file is refused for.
fn refused(file: &Value) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bootstrap.json");
    std::fs::write(&path, file.to_string()).expect("written");
    let told =
        Command::new(leno()).args(["proxy", "--validate", "--config-path"]).arg(&path).output().expect("it runs");
    assert!(!told.status.success(), "{told:?}");
    String::from_utf8_lossy(&told.stderr).into_owned()
}

#[test]
fn sources_that_cannot_be_asked_are_refused() {
    let with = |cluster_of_source: Value, source: Value| {
        json!({ "static_resources": {
            "listeners": [listener_with("front", 1, &source)],
            "clusters": [cluster_of_source],
        } })
    };
    let rest = json!({ "api_config_source": { "api_type": "REST", "transport_api_version": "V3" } });
    assert!(refused(&with(control_cluster(&[9]), rest)).contains("rds.config_source.api_config_source.api_type"));
    let mut polled = own("GRPC", "1s");
    polled["api_config_source"]["refresh_delay"] = json!("1s");
    assert!(refused(&with(control_cluster(&[9]), polled)).contains("api_config_source.refresh_delay"));
    let unknown = refused(&with(cluster("other", &[9]), own("GRPC", "1s")));
    assert!(unknown.contains("envoy_grpc.cluster_name is \"xds\""), "{unknown}");
    let plain = refused(&with(cluster("xds", &[9]), own("GRPC", "1s")));
    assert!(plain.contains("does not speak HTTP/2"), "{plain}");
}
