//! What can be seen of the mesh.

use e2e::{
    Mesh,
    manifest::{Echo, HTTP, client, mesh_config, meshed_namespace, service},
    wait,
};

fn mesh() -> Mesh {
    Mesh::up(&[
        meshed_namespace("shop")
            + &client("shop", "client", "")
            + &Echo::new("shop", "server").yaml()
            + &service("shop", "server", "server", &[HTTP]),
        mesh_config("defaultAccess: Allow"),
    ])
}

#[test]
fn requests_are_counted_at_both_ends_by_who_called_whom() {
    let mesh = mesh();
    for _ in 0..7 {
        assert_eq!(mesh.curl("shop/client", &["http://server.shop/"]).status, 200);
    }
    let count = |pod: &str, needles: &[&str]| {
        let text = mesh.curl(pod, &["http://127.0.0.1:15020/stats/prometheus"]).body;
        let fits = |line: &&str| {
            line.starts_with("leno_requests_total{") && needles.iter().all(|needle| line.contains(needle))
        };
        text.lines().filter(fits).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>()
    };
    let client =
        ["direction=\"outbound\"", "destination_service=\"shop/server\"", "response_code=\"200\"", "mtls=\"true\""];
    let server = [
        "direction=\"inbound\"",
        "source_workload=\"client\"",
        "source_namespace=\"shop\"",
        "source_identity=\"spiffe://cluster.local/ns/shop/sa/client\"",
        "destination_service=\"shop/server\"",
        "response_code=\"200\"",
        "mtls=\"true\"",
        "protocol=\"http1\"",
    ];
    wait::until("the client's sidecar counted seven", || count("shop/client", &client), |count| *count == 7.0);
    wait::until("the server's sidecar counted seven", || count("shop/server", &server), |count| *count == 7.0);
}

#[test]
fn the_access_log_is_json_and_the_trace_goes_on() {
    let mesh = mesh();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let header = format!("traceparent: 00-{trace}-00f067aa0ba902b7-01");
    let seen = mesh.curl_until("shop/client", &["-H", &header, "http://server.shop/traced"], 200).json();
    assert!(seen["headers"]["traceparent"].to_string().contains(trace), "{seen}");
    let pod = mesh.pods("shop/server").remove(0);
    let line = wait::until(
        "the access log has the request",
        || {
            mesh.ok(&["logs", "-n", "shop", &pod, "-c", "proxy"])
                .lines()
                .find(|line| line.contains("/traced"))
                .map(str::to_owned)
        },
        Option::is_some,
    );
    let line = line.unwrap_or_default();
    let start = line.find('{').unwrap_or(0);
    let entry: serde_json::Value =
        serde_json::from_str(&line[start..]).unwrap_or_else(|error| panic!("{error}: {line}"));
    assert!(entry.to_string().contains(trace), "{entry}");
}

#[test]
fn proxy_status_and_config_are_readable() {
    let mesh = mesh();
    mesh.curl_until("shop/client", &["http://server.shop/"], 200);
    let current = |text: &str, pod: &str| {
        text.lines().any(|line| {
            line.starts_with("shop") && line.contains(pod) && line.contains("up to date") && line.contains("valid")
        })
    };
    let _status = wait::until(
        "both proxies acknowledged everything and have certificates",
        || mesh.ok(&["proxy", "status"]),
        |text| current(text, " client ") && current(text, " server-"),
    );
    let config = mesh.ok(&["proxy", "config", "client", "-n", "shop"]);
    assert!(config.contains("outbound/shop/server:80"), "{config}");
}
