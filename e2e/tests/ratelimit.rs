//! The rate limit service, asked by Envoy: the page `docs/tasks/rate-limit-service.md`, and replicas that count together in
//! a real Redis.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use e2e::{mesh::leno, port, process::Running, wait};
use serde_json::json;

/// The limits that the page shows.
fn limits() -> String {
    let page = fs::read_to_string(format!("{}/../docs/tasks/rate-limit-service.md", env!("CARGO_MANIFEST_DIR")));
    let page = page.expect("the page is there");
    let (_, file) = page.split_once("```yaml\n").expect("a file is shown");
    file.split_once("```").expect("it ends").0.to_owned()
}

/// A rate limit service on ports of its own.
struct Service {
    address: u16,
    metrics: u16,
    _process: Running,
}

impl Service {
    fn start(config: &Path, more: &[&str]) -> Self {
        let (address, metrics) = (port::free(), port::free());
        let mut command = Command::new(leno());
        command.args(["ratelimit", "--address", &format!("127.0.0.1:{address}")]);
        command.args(["--metrics-address", &format!("127.0.0.1:{metrics}"), "--config"]).arg(config).args(more);
        Self { address, metrics, _process: Running::start(&mut command, address) }
    }

    fn counted(&self, outcome: &str) -> String {
        let text = curl(&[&format!("http://127.0.0.1:{}/metrics", self.metrics)]);
        text.lines().filter(|line| line.contains(outcome)).collect()
    }
}

/// Envoy, which asks about the path and the user before it passes a request on (to the service's own health).
fn envoy(folder: &Path, service: &Service) -> (Running, u16) {
    let (front, admin) = (port::free(), port::free());
    let address = |port: u16| json!({ "socket_address": { "address": "127.0.0.1", "port_value": port } });
    let header = |name: &str, key: &str| json!({ "request_headers": { "header_name": name, "descriptor_key": key } });
    let cluster = json!({
        "name": "limits", "type": "STATIC", "connect_timeout": "1s",
        "typed_extension_protocol_options": { "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": { "http2_protocol_options": {} } } },
        "load_assignment": { "cluster_name": "limits",
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address(service.address) } }] }] },
    });
    let behind = json!({
        "name": "behind", "type": "STATIC", "connect_timeout": "1s",
        "load_assignment": { "cluster_name": "behind",
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address(service.metrics) } }] }] },
    });
    let limit = json!({ "name": "envoy.filters.http.ratelimit", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimit",
        "domain": "shop", "timeout": "5s", "failure_mode_deny": true, "enable_x_ratelimit_headers": "DRAFT_VERSION_03",
        "rate_limit_service": { "transport_api_version": "V3",
            "grpc_service": { "envoy_grpc": { "cluster_name": "limits" } } } } });
    let router = json!({ "name": "envoy.filters.http.router", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" } });
    let hosts = json!([{ "name": "all", "domains": ["*"],
        "rate_limits": [
            { "actions": [header(":path", "path")] },
            { "actions": [header(":path", "path"), header("x-user", "user")] } ],
        "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": "behind",
            "regex_rewrite": { "pattern": { "regex": ".*" }, "substitution": "/healthz/live" } } }] }]);
    let manager = json!({ "name": "http", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "front", "route_config": { "virtual_hosts": hosts }, "http_filters": [limit, router] } });
    let config = json!({ "admin": { "address": address(admin) }, "static_resources": {
        "listeners": [{ "address": address(front), "filter_chains": [{ "filters": [manager] }] }],
        "clusters": [cluster, behind] } });
    let path = folder.join(format!("envoy-{front}.json"));
    fs::write(&path, config.to_string()).expect("written");
    let mut command = Command::new("envoy");
    command.args(["--disable-hot-restart", "--concurrency", "1", "-l", "critical", "--config-path"]).arg(&path);
    (Running::start(&mut command, front), front)
}

fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).output().expect("it runs")
}

fn curl(arguments: &[&str]) -> String {
    let output = run("curl", &[&["-s"], arguments].concat());
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn status(front: u16, path: &str, user: &str) -> String {
    let (url, user) = (format!("http://127.0.0.1:{front}{path}"), format!("x-user: {user}"));
    curl(&["-o", "/dev/null", "-w", "%{http_code}", "-H", &user, &url])
}

/// Waits for a minute that has room for what follows: a window must not end in between.
fn early_in_a_minute() {
    let second = || std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs() % 60;
    wait::until("a minute has room", second, |second| *second < 35);
}

#[test]
#[ignore = "needs Envoy and curl: cargo xtask test"]
fn envoy_is_limited_as_the_page_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("limits.yaml");
    fs::write(&file, limits()).expect("written");
    let service = Service::start(&file, &[]);
    let (_envoy, front) = envoy(folder.path(), &service);
    early_in_a_minute();
    let answers: Vec<_> = (0..5).map(|_| status(front, "/buy", "ann")).collect();
    assert_eq!(answers, ["200", "200", "200", "429", "429"]);
    assert_eq!(status(front, "/other", "ann"), "200");
    let headers = curl(&["-i", &format!("http://127.0.0.1:{front}/buy")]);
    assert!(
        headers.contains("x-ratelimit-limit: 3, 3;w=60") && headers.contains("x-ratelimit-remaining: 0"),
        "{headers}"
    );
    let over = service.counted("rule=\"path=/buy\",outcome=\"over_limit\"");
    assert!(over.ends_with(" 3"), "{over}");
    let tried: Vec<_> = (0..5).map(|_| status(front, "/try", "ann")).collect();
    assert_eq!(tried, ["200"; 5], "limits that are only tried out let everything pass");

    fs::write(&file, limits().replace("requests_per_unit: 3", "requests_per_unit: many")).expect("written");
    wait::until("the broken edit is seen", || service.counted("result=\"invalid\""), |text| text.ends_with(" 1"));
    assert_eq!(status(front, "/buy", "ann"), "429", "the limits from before go on");
    fs::write(&file, limits().replace("requests_per_unit: 3", "requests_per_unit: 3000")).expect("written");
    wait::until("the new limit holds", || status(front, "/buy", "ann"), |status| status == "200");

    let refused = run(&leno().display().to_string(), &["ratelimit", "--config", "/nowhere.yaml"]);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("/nowhere.yaml"));
}

#[test]
#[ignore = "needs Envoy, Redis and curl: cargo xtask test"]
fn replicas_count_together_in_redis() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("limits.yaml");
    fs::write(&file, limits().replace("unit: minute, requests_per_unit: 3", "unit: year, requests_per_unit: 10"))
        .expect("written");
    let redis = port::free();
    let mut command = Command::new("redis-server");
    command.args(["--port", &redis.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"]).arg(folder.path());
    let store = Running::start(&mut command, redis);
    let url = format!("redis://127.0.0.1:{redis}");
    let services = [0, 1].map(|_| Service::start(&file, &["--redis", &url]));
    let fronts: Vec<_> = services.iter().map(|service| envoy(folder.path(), service)).collect();
    let answers: Vec<_> = (0..30).map(|index| status(fronts[index % 2].1, "/buy", "bob")).collect();
    assert_eq!(answers[..10], ["200"; 10]);
    assert_eq!(answers[10..], ["429"; 20]);
    drop(store);
    assert_eq!(status(fronts[0].1, "/buy", "bob"), "500", "nothing can be counted, and Envoy was told to deny then");
}
