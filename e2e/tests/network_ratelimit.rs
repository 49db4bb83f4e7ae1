//! The network filter `ratelimit`: Leno and Envoy ask the same rate limit service about connections.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::Command,
    time::Duration,
};

use e2e::{mesh::leno, port, process::Running, wait};
use serde_json::{Value, json};

/// What the service counts: two connections of a port's callers in a day, by the address that they come from.
const LIMITS: &str = "
domain: connections
descriptors:
- key: port
  value: limited
  descriptors:
  - key: caller
    rate_limit: { unit: day, requests_per_unit: 2 }
";

fn address(port: u16) -> Value {
    json!({ "socket_address": { "address": "127.0.0.1", "port_value": port } })
}

fn cluster(name: &str, port: u16) -> Value {
    let endpoints = json!([{ "lb_endpoints": [{ "endpoint": { "address": address(port) } }] }]);
    let load_assignment = json!({ "cluster_name": name, "endpoints": endpoints });
    json!({ "name": name, "type": "STATIC", "connect_timeout": "1s", "load_assignment": load_assignment })
}

/// A listener of bytes that asks first.
fn listener(name: &str, port: u16, service: &str, denies: bool) -> Value {
    let entries = json!([
        { "key": "port", "value": name },
        { "key": "caller", "value": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%" },
    ]);
    let limit = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.ratelimit.v3.RateLimit",
        "stat_prefix": name,
        "domain": "connections",
        "descriptors": [{ "entries": entries }],
        "timeout": "5s",
        "failure_mode_deny": denies,
        "rate_limit_service": {
            "transport_api_version": "V3", "grpc_service": { "envoy_grpc": { "cluster_name": service } },
        },
    });
    let proxy = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": name,
        "cluster": "backend",
    });
    let filters = json!([{ "name": "limit", "typed_config": limit }, { "name": "tcp", "typed_config": proxy }]);
    json!({ "name": name, "address": address(port), "filter_chains": [{ "filters": filters }] })
}

/// Starts a rate limit service with these limits.
fn service(folder: &Path) -> (Running, u16) {
    let (asked, metrics) = (port::free(), port::free());
    let config = folder.join("limits.yaml");
    fs::write(&config, LIMITS).expect("written");
    let mut command = Command::new(leno());
    command.args(["ratelimit", "--address", &format!("127.0.0.1:{asked}")]);
    command.args(["--metrics-address", &format!("127.0.0.1:{metrics}"), "--config"]).arg(&config);
    (Running::start(&mut command, asked), asked)
}

/// Whether a connection is served: what is said comes back.
fn served(port: u16) -> bool {
    let speak = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        stream.write_all(b"hello\n")?;
        let mut heard = [0; 6];
        stream.read_exact(&mut heard)?;
        Ok::<_, std::io::Error>(heard == *b"hello\n")
    };
    speak().unwrap_or(false)
}

#[test]
#[ignore = "needs Envoy: cargo xtask test"]
fn a_service_is_asked_about_connections() {
    let leno_path = leno().display().to_string();
    let envoy = ["envoy", "--disable-hot-restart", "--concurrency", "1", "-l", "critical"];
    for program in [&[leno_path.as_str(), "proxy"][..], &envoy] {
        let folder = tempfile::tempdir().expect("a folder");
        let (_service, asked) = service(folder.path());
        let backend = port::free();
        let echo = ["demo", "echo", "serve", "--bind", "127.0.0.1", "--tcp"];
        let _backend = Running::start(Command::new(leno()).args(echo).arg(backend.to_string()), backend);
        let (admin, limited, free, open, closed) =
            (port::free(), port::free(), port::free(), port::free(), port::free());
        let mut limits = cluster("limits", asked);
        limits["typed_extension_protocol_options"] = json!({ "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": { "http2_protocol_options": {} },
        } });
        let mut away = limits.clone();
        away["name"] = json!("away");
        away["load_assignment"] = cluster("away", port::free())["load_assignment"].clone();
        let config = json!({ "admin": { "address": address(admin) }, "static_resources": {
            "listeners": [
                listener("limited", limited, "limits", true),
                listener("free", free, "limits", true),
                listener("open", open, "away", false),
                listener("closed", closed, "away", true),
            ],
            "clusters": [limits, away, cluster("backend", backend)],
        } });
        let path = folder.path().join("proxy.json");
        fs::write(&path, config.to_string()).expect("written");
        let mut command = Command::new(program[0]);
        command.args(&program[1..]).arg("--config-path").arg(&path);
        let _proxy = Running::start(&mut command, admin);
        wait::until("it serves", || served(free), |serves| *serves);
        let seen: Vec<_> = (0..4).map(|_| served(limited)).collect();
        assert_eq!(seen, [true, true, false, false], "{}", program[0]);
        assert!(served(free) && served(open) && !served(closed), "{}", program[0]);
        if program[0] == leno_path {
            let url = format!("http://127.0.0.1:{admin}/stats/prometheus");
            let told = Command::new("curl").args(["-s", &url]).output().expect("it runs");
            let told = String::from_utf8_lossy(&told.stdout).into_owned();
            let counted = |decision: &str| {
                let is_it = |line: &&str| line.contains("network_ratelimit") && line.contains(decision);
                let line = told.lines().find(is_it).unwrap_or_default();
                line.rsplit(' ').next().and_then(|count| count.parse::<f64>().ok()).unwrap_or_default()
            };
            let counts = ["over_limit", "failure_mode_allowed", "\"error\""].map(counted);
            assert_eq!(counts, [2.0, 1.0, 1.0], "{told}");
        }
    }
}
