//! `leno proxy --config-path` as a client of a control plane of others, and Envoy from the same bootstrap.

mod config;
mod drain;
mod server;
mod source;
mod tls;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use e2e::{mesh::leno, port, process::Running, wait};
use serde_json::{Value, json};
use tempfile::TempDir;

use self::{
    config::{bootstrap, cluster, control_cluster, eds_cluster, endpoints, listener, routes, say, to},
    server::Server,
};

/// A proxy that runs from a bootstrap.
struct Proxy {
    child: Child,
    folder: TempDir,
}

impl Proxy {
    fn start(program: &[&str], file: &Value, admin: u16) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("bootstrap.json");
        fs::write(&path, file.to_string()).expect("written");
        let log = fs::File::create(folder.path().join("log")).expect("a log");
        let child = Command::new(program[0])
            .args(&program[1..])
            .arg("--config-path")
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program[0]));
        let proxy = Self { child, folder };
        wait::until("admin listens", || TcpStream::connect(("127.0.0.1", admin)).is_ok(), |listens| *listens);
        proxy
    }

    fn leno(file: &Value, admin: u16) -> Self {
        Self::start(&[&leno().display().to_string(), "proxy"], file, admin)
    }

    /// Resident memory, in MiB.
    fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux says so");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// What a proxy answers at a port; empty when nobody listens.
fn get(port: u16, path: &str) -> String {
    let ask = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        // An answer that was cut off is judged as far as it came.
        drop(stream.read_to_string(&mut answer));
        Ok::<_, std::io::Error>(answer)
    };
    ask().unwrap_or_default()
}

fn until_says(port: u16, text: &str) {
    wait::until(text, || get(port, "/"), |answer| answer.contains(text));
}

/// Asks again and again until it is dropped; every answer must be a good one.
struct Load {
    stop: Arc<AtomicBool>,
    asking: Option<thread::JoinHandle<Vec<String>>>,
}

impl Load {
    fn start(port: u16) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let stopped = Arc::clone(&stop);
        let asking = thread::spawn(move || {
            let mut bad = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let answer = get(port, "/");
                if !answer.starts_with("HTTP/1.1 200") {
                    bad.push(answer);
                }
            }
            bad
        });
        Self { stop, asking: Some(asking) }
    }

    fn end(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let bad = self.asking.take().expect("it asks").join().expect("it ends");
        assert!(bad.is_empty(), "{} bad answers: {:?}", bad.len(), bad.first());
    }
}

fn snapshot(version: &str, clusters: &[Value], endpoints: &[Value], listeners: &[Value], routes: &[Value]) -> Value {
    json!({ "version": version, "clusters": clusters, "endpoints": endpoints, "listeners": listeners, "routes": routes })
}

/// What every client of a control plane has to do.
fn story(program: &[&str], protocol: &str) {
    let (control, admin, front, backend) = (port::free(), port::free(), port::free(), port::free());
    let echo = ["demo", "echo", "serve", "--bind", "127.0.0.1", "--http"];
    let _backend = Running::start(Command::new(leno()).args(echo).arg(backend.to_string()), backend);
    let mut server = Server::start(control, &[]);
    let front_listener = listener("front", front, "r");
    server.set(&snapshot("1", &[], &[], std::slice::from_ref(&front_listener), &[routes("r", &say("first"))]));
    let proxy = Proxy::start(program, &bootstrap(protocol, control, admin), admin);
    until_says(front, "first");
    let opened = server.event("a stream", |event| event["event"] == "open");
    assert_eq!(opened["metadata"]["x-token"][0], "secret");
    server.event("the node is named", |event| event["node"] == "edge-1");

    // A route to a cluster that comes with it: nothing is lost on the way.
    let load = Load::start(front);
    let (new, there) = (eds_cluster("new"), endpoints("new", &[backend]));
    let good = |version: &str| {
        let (clusters, endpoints) = ([new.clone()], [there.clone()]);
        snapshot(version, &clusters, &endpoints, std::slice::from_ref(&front_listener), &[routes("r", &to("new"))])
    };
    server.set(&good("2"));
    until_says(front, "\"path\":\"/\"");
    load.end();

    // What is wrong is refused by name, and what was there serves on.
    let mut wrong = cluster("wrong", &[backend]);
    wrong["lb_policy"] = json!("RING_HASH");
    wrong["ring_hash_lb_config"] = json!({ "minimum_ring_size": 2000, "maximum_ring_size": 1000 });
    let mut bad = good("3");
    bad["clusters"].as_array_mut().expect("a list").push(wrong);
    server.set(&bad);
    let refused = server.event("a refusal", |event| event["refused"].as_str().is_some_and(|text| !text.is_empty()));
    let text = refused["refused"].as_str().unwrap_or_default().to_ascii_lowercase().replace('_', "");
    assert!(text.contains("wrong") && text.contains("ringsize"), "{refused}");
    // A refusal says what is in use still.
    let of_world = refused["version"].as_str().is_none_or(|version| version == "2");
    assert!(of_world && refused["nonce"] != "", "{refused}");
    assert!(get(front, "/").contains("\"path\":\"/\""));
    let good_again = good("4");
    server.set(&good_again);
    server.event("an answer is taken", |event| {
        event["event"] == "answer"
            && event["version"] == "4"
            && event["type"].as_str().is_some_and(|of| of.ends_with("Cluster"))
    });

    // The control plane goes away and comes back: what was known serves on.
    server.judge_nonces();
    drop(server);
    assert!(get(front, "/").contains("\"path\":\"/\""));
    let mut server = Server::start(control, &[]);
    let (clusters, endpoints) = ([new.clone()], [there.clone()]);
    let listeners = [front_listener.clone(), listener("second", port::free(), "r")];
    server.set(&snapshot("5", &clusters, &endpoints, &listeners, &[routes("r", &say("back"))]));
    until_says(front, "back");
    if protocol == "DELTA_GRPC" {
        server.event("what is held is said", |event| event["held"].as_u64().is_some_and(|held| held > 0));
    }

    // What is not listed any more is gone.
    server.set(&snapshot("6", &clusters, &endpoints, &listeners[1..], &[routes("r", &say("back"))]));
    wait::until("the listener is closed", || TcpStream::connect(("127.0.0.1", front)).is_err(), |closed| *closed);
    let acknowledged = server.judge_nonces();
    assert!(acknowledged > 0, "nothing was acknowledged: {}", proxy.log());
}

fn envoy() -> [&'static str; 8] {
    ["envoy", "--disable-hot-restart", "--concurrency", "1", "-l", "warning", "--drain-time-s", "1"]
}

#[test]
#[ignore = "needs xds-server: cargo xtask test"]
fn a_control_plane_of_others_is_followed_by_increments() {
    story(&[&leno().display().to_string(), "proxy"], "DELTA_GRPC");
}

#[test]
#[ignore = "needs xds-server: cargo xtask test"]
fn a_control_plane_of_others_is_followed_by_states_of_the_world() {
    story(&[&leno().display().to_string(), "proxy"], "GRPC");
}

#[test]
#[ignore = "needs xds-server and Envoy: cargo xtask test"]
fn envoy_follows_it_in_the_same_way() {
    story(&envoy(), "DELTA_GRPC");
    story(&envoy(), "GRPC");
}

#[test]
#[ignore = "needs xds-server: cargo xtask test"]
fn no_request_is_lost_when_clusters_take_each_others_place() {
    for protocol in ["DELTA_GRPC", "GRPC"] {
        let (control, admin, front, backend) = (port::free(), port::free(), port::free(), port::free());
        let echo = ["demo", "echo", "serve", "--bind", "127.0.0.1", "--http"];
        let _backend = Running::start(Command::new(leno()).args(echo).arg(backend.to_string()), backend);
        let mut server = Server::start(control, &[]);
        let front_listener = [listener("front", front, "r")];
        // Clusters come before routes on the wire, and so does their removal: for a moment routes name what is gone.
        let to_only = |version: usize| {
            let name = ["a", "b", "c"][version % 3];
            let (clusters, endpoints) = ([eds_cluster(name)], [endpoints(name, &[backend])]);
            let mut routes = routes("r", &to(name));
            routes["response_headers_to_add"] =
                json!([{ "header": { "key": "x-version", "value": format!("v{version}") } }]);
            snapshot(&version.to_string(), &clusters, &endpoints, &front_listener, &[routes])
        };
        server.set(&to_only(0));
        let _proxy = Proxy::leno(&bootstrap(protocol, control, admin), admin);
        until_says(front, "\"path\":\"/\"");
        let load = Load::start(front);
        for version in 1..10 {
            server.set(&to_only(version));
            until_says(front, &format!("x-version: v{version}"));
        }
        load.end();
        server.judge_nonces();
    }
}

#[test]
#[ignore = "needs xds-server: cargo xtask test"]
fn what_was_let_go_of_is_had_again() {
    for protocol in ["DELTA_GRPC", "GRPC"] {
        let (control, admin, front) = (port::free(), port::free(), port::free());
        let mut server = Server::start(control, &[]);
        let (there, routes) = ([listener("front", front, "r")], [routes("r", &say("as before"))]);
        server.set(&snapshot("1", &[], &[], &there, &routes));
        let _proxy = Proxy::leno(&bootstrap(protocol, control, admin), admin);
        until_says(front, "as before");
        // The routes stay as they are, and nobody uses them.
        server.set(&snapshot("2", &[], &[], &[], &routes));
        server.event("the routes are let go of", |event| {
            let of_routes = event["type"].as_str().is_some_and(|of| of.ends_with("RouteConfiguration"));
            let is_dropped = event["dropped"][0] == "r" || (protocol == "GRPC" && event["names"].is_null());
            event["event"] == "request" && of_routes && is_dropped
        });
        server.set(&snapshot("3", &[], &[], &there, &routes));
        until_says(front, "as before");
    }
}

#[test]
#[ignore = "needs xds-server: cargo xtask test"]
#[expect(clippy::print_stderr, reason = "what was measured")]
fn ten_thousand_clusters_arrive_in_bounded_time_and_memory() {
    for protocol in ["DELTA_GRPC", "GRPC"] {
        let (control, admin, front) = (port::free(), port::free(), port::free());
        let mut server = Server::start(control, &[]);
        let proxy = Proxy::leno(&bootstrap(protocol, control, admin), admin);
        let before = proxy.resident();
        let clusters: Vec<_> = (0..10_000).map(|number| cluster(&format!("c-{number}"), &[9])).collect();
        let began = Instant::now();
        server.set(&snapshot("1", &clusters, &[], &[listener("front", front, "r")], &[routes("r", &say("here"))]));
        until_says(front, "here");
        let (took, resident) = (began.elapsed(), proxy.resident());
        eprintln!("{protocol}: 10,000 clusters in {took:?}, {before} MiB before, {resident} MiB after");
        assert!(took < Duration::from_secs(30) && resident < 400, "{took:?}, {resident} MiB");
        let known = get(admin, "/clusters");
        assert!(known.contains("c-9999"), "not all are there: {} bytes", known.len());
    }
}

#[test]
#[ignore = "needs xds-server: cargo xtask test"]
fn the_next_server_is_asked_when_the_first_is_away() {
    let (away, control, admin, front) = (port::free(), port::free(), port::free(), port::free());
    let mut server = Server::start(control, &[]);
    server.set(&snapshot("1", &[], &[], &[listener("front", front, "r")], &[routes("r", &say("second"))]));
    let mut file = bootstrap("DELTA_GRPC", control, admin);
    let mut first = control_cluster(&[away]);
    first["name"] = json!("first");
    file["static_resources"]["clusters"].as_array_mut().expect("a list").push(first);
    let services = json!([{ "envoy_grpc": { "cluster_name": "first" } }, { "envoy_grpc": { "cluster_name": "xds" } }]);
    file["dynamic_resources"]["ads_config"]["grpc_services"] = services;
    let _proxy = Proxy::leno(&file, admin);
    until_says(front, "second");
}

#[test]
#[ignore = "needs xds-server: cargo xtask test"]
fn listeners_and_clusters_may_come_on_streams_of_their_own() {
    let (control, admin, front, backend) = (port::free(), port::free(), port::free(), port::free());
    let echo = ["demo", "echo", "serve", "--bind", "127.0.0.1", "--http"];
    let _backend = Running::start(Command::new(leno()).args(echo).arg(backend.to_string()), backend);
    let mut server = Server::start(control, &["-ads=false"]);
    let mut inline = listener("front", front, "r");
    let manager = &mut inline["filter_chains"][0]["filters"][0]["typed_config"];
    manager["route_config"] = routes("r", &to("c"));
    manager.as_object_mut().expect("an object").remove("rds");
    server.set(&snapshot("1", &[cluster("c", &[backend])], &[], &[inline], &[]));
    let mut file = bootstrap("GRPC", control, admin);
    let mut api = file["dynamic_resources"]["ads_config"].clone();
    file["dynamic_resources"]["lds_config"] = json!({ "api_config_source": api, "resource_api_version": "V3" });
    api["api_type"] = json!("DELTA_GRPC");
    file["dynamic_resources"]["cds_config"] = json!({ "api_config_source": api, "resource_api_version": "V3" });
    file["dynamic_resources"].as_object_mut().expect("an object").remove("ads_config");
    let _proxy = Proxy::leno(&file, admin);
    until_says(front, "\"path\":\"/\"");
}

/// Puts a file in another's place, as a ConfigMap is replaced.
fn replace(path: &Path, resources: &[Value], of: &str) {
    let url = format!("type.googleapis.com/envoy.config.{of}");
    let typed = |resource: &Value| {
        let mut resource = resource.clone();
        resource["@type"] = json!(url);
        resource
    };
    let resources: Vec<_> = resources.iter().map(typed).collect();
    let fresh = path.with_extension("new");
    fs::write(&fresh, json!({ "version_info": "1", "resources": resources }).to_string()).expect("written");
    fs::rename(&fresh, path).expect("renamed");
}

#[test]
#[ignore = "needs a free port: cargo xtask test"]
fn files_are_followed() {
    let (admin, front, backend) = (port::free(), port::free(), port::free());
    let echo = ["demo", "echo", "serve", "--bind", "127.0.0.1", "--http"];
    let _backend = Running::start(Command::new(leno()).args(echo).arg(backend.to_string()), backend);
    let folder = tempfile::tempdir().expect("a folder");
    let (lds, cds) = (folder.path().join("lds.json"), folder.path().join("cds.json"));
    let inline = |action: &Value| {
        let mut inline = listener("front", front, "r");
        let manager = &mut inline["filter_chains"][0]["filters"][0]["typed_config"];
        manager["route_config"] = routes("r", action);
        manager.as_object_mut().expect("an object").remove("rds");
        inline
    };
    replace(&cds, &[cluster("c", &[backend])], "cluster.v3.Cluster");
    replace(&lds, &[inline(&say("from a file"))], "listener.v3.Listener");
    let source = |path: &Path| {
        let watched = json!({ "path": folder.path().display().to_string() });
        json!({ "path_config_source": { "path": path.display().to_string(), "watched_directory": watched }, "resource_api_version": "V3" })
    };
    let file = json!({
        "node": { "id": "edge-1", "cluster": "edge" },
        "admin": { "address": config::address(admin) },
        "dynamic_resources": { "lds_config": source(&lds), "cds_config": source(&cds) },
    });
    let proxy = Proxy::leno(&file, admin);
    until_says(front, "from a file");
    replace(&lds, &[inline(&to("c"))], "listener.v3.Listener");
    until_says(front, "\"path\":\"/\"");
    fs::write(&lds, "resources: [").expect("written");
    wait::until("it is refused", || proxy.log(), |log| log.contains("file refused"));
    assert!(get(front, "/").contains("\"path\":\"/\""));
    replace(&lds, &[], "listener.v3.Listener");
    wait::until("the listener is closed", || TcpStream::connect(("127.0.0.1", front)).is_err(), |closed| *closed);
}
