//! TrafficPolicy: what it says is what happens to the traffic. One mesh for all, as services of the same pods may have
//! policies of their own.

use std::collections::BTreeSet;

use e2e::{
    Mesh,
    manifest::{Echo, HTTP, TCP, client, mesh_config, meshed_namespace, rate_limit_service, service, service_with},
    wait,
};
use serde_json::Value;

/// A policy of one Service; `spec` in flow style, without its target.
fn policy(name: &str, spec: &str) -> String {
    named(name, name, spec)
}

fn named(name: &str, target: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: policy.leno.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {{ name: {name}, namespace: shop }}\n\
         spec: {{ targetRefs: [{{ kind: Service, name: {target} }}], {spec} }}\n"
    )
}

/// The Services of the pods `server`, each with what is said of it.
const POLICIES: [(&str, &str); 11] = [
    ("again", "retries: { attempts: 5, statusCodes: [503], backoff: { base: 5ms } }"),
    ("budget", "retries: { attempts: 5, statusCodes: [503], budget: { percent: 0, minConcurrency: 0 } }"),
    ("hasty", "timeouts: { request: 200ms }"),
    ("broken", "fault: { abort: { httpStatus: 418, percent: 50 } }"),
    ("slow", "fault: { delay: { duration: 300ms }, headers: [{ name: x-slow, exact: 'yes' }] }"),
    ("header", "loadBalancer: { algorithm: RingHash, hashOn: [{ header: x-user }] }"),
    ("cookie", "loadBalancer: { algorithm: Maglev, hashOn: [{ cookie: { name: session, ttl: 1h, path: / } }] }"),
    ("narrow", "connections: { maxConnections: 1, maxPendingRequests: 1 }"),
    ("some", "from: [{ serviceAccount: other }], fault: { abort: { httpStatus: 418 } }"),
    ("plain", "timeouts: { request: 30s }"),
    ("copied", "mirror: { service: east, port: 80, percent: 50 }"),
];

fn manifests() -> Vec<String> {
    let mut shop = meshed_namespace("shop") + &client_in_zone_a() + &client("shop", "other", "");
    shop += &Echo { replicas: 3, ..Echo::new("shop", "server") }.yaml();
    for (name, spec) in POLICIES {
        shop += &service("shop", name, "server", &[HTTP]);
        shop += &policy(name, spec);
    }
    // Nothing listens on 8081 of this one.
    shop += &Echo { labels: "also: mixed", ..Echo::new("shop", "deaf") }.yaml();
    let good = Echo { labels: "also: mixed", ..Echo::new("shop", "good") }.yaml();
    shop += &good.replace("\"--http\", \"8080\"", "\"--http\", \"8080\", \"--http\", \"8081\"");
    shop += &service_with("shop", "mixed", "also: mixed", "", &["{ name: http, port: 80, targetPort: 8081 }"]);
    shop += &policy(
        "mixed",
        "outlierDetection: { consecutive5xx: 2, interval: 500ms, baseEjectionTime: 3s, maxEjectionPercent: 50 }",
    );
    shop += &places();
    shop += &counted();
    shop += &Echo::new("shop", "limited").yaml();
    shop += &service("shop", "limited", "limited", &[HTTP, TCP]);
    shop += &policy(
        "limited",
        "localRateLimit: { http: { requests: 50, routes: [{ match: { path: { prefix: /buy }, methods: [GET] }, requests: 1, \
         per: 1h, responseStatus: 503, responseHeaders: { x-limited: 'yes' } }] }, tcp: { connections: 2, per: 1h } }",
    );
    vec![shop, mesh_config("defaultAccess: Allow")]
}

/// Two pods in two zones, behind services that say differently which is used; `west` takes its time.
fn places() -> String {
    let zone = |zone: &str| format!("place: 'yes', topology.kubernetes.io/zone: {zone}");
    let mut both = Echo { labels: &zone("a"), ..Echo::new("shop", "east") }.yaml();
    let west = Echo { labels: &zone("b"), ..Echo::new("shop", "west") }.yaml();
    both += &west.replace("\"--http\", \"8080\"", "\"--http\", \"8080\", \"--delay\", \"30\"");
    both += &service("shop", "east", "east", &[HTTP]);
    for (name, spec) in [
        ("near", "loadBalancer: { prefer: SameZone }"),
        ("quick", "loadBalancer: { algorithm: PeakEwma }"),
        ("gentle", "loadBalancer: { algorithm: RoundRobin, slowStart: { window: 20s, minimumPercent: 1 } }"),
    ] {
        both += &service_with("shop", name, "place: 'yes'", "", &[HTTP]);
        both += &policy(name, spec);
    }
    both
}

fn load(mesh: &Mesh, pod: &str, arguments: &[&str]) -> Value {
    let mut command = vec!["leno", "demo", "echo", "load"];
    command.extend(arguments);
    let output = mesh.exec(pod, &command);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn answers(load: &Value, status: &str) -> u64 {
    load["statuses"][status].as_u64().unwrap_or(0)
}

/// How many requests the sidecars of the pods `server` let through to them that were answered with this status.
fn arrived(mesh: &Mesh, status: u16) -> u64 {
    let status = format!("response_code=\"{status}\"");
    let of_pod = |pod: String| {
        let text = mesh.curl(&format!("shop/{pod}"), &["http://127.0.0.1:15020/stats/prometheus"]).body;
        let fits = |line: &&str| {
            line.starts_with("leno_requests_total{") && line.contains("direction=\"inbound\"") && line.contains(&status)
        };
        text.lines().filter(fits).filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum::<u64>()
    };
    mesh.pods("shop/server").into_iter().map(of_pod).sum()
}

#[test]
fn what_policies_say_is_what_happens() {
    let mesh = Mesh::up(&manifests());
    for service in ["again", "budget", "plain", "mixed", "limited", "near", "gentle"] {
        mesh.curl_until("shop/client", &[&format!("http://{service}.shop/")], 200);
    }
    retries(&mesh);
    timeouts(&mesh);
    faults(&mesh);
    sticky_sessions(&mesh);
    circuit_breaker(&mesh);
    outlier_detection(&mesh);
    rate_limits(&mesh);
    callers(&mesh);
    mirrors(&mesh);
    places_and_times(&mesh);
    global_rate_limits(&mesh);
    precedence(&mesh);
}

/// OSM's 34, `retry_policy`: 503 is tried again exactly as often as is said, and not at all where it is not.
fn retries(mesh: &Mesh) {
    let before = arrived(mesh, 503);
    assert_eq!(mesh.curl("shop/client", &["http://again.shop/status/503"]).status, 503);
    wait::until("one call and five retries arrive", || arrived(mesh, 503) - before, |count| *count == 6);
    let before = arrived(mesh, 503);
    assert_eq!(mesh.curl("shop/client", &["http://plain.shop/status/503"]).status, 503);
    wait::until("one call arrives", || arrived(mesh, 503) - before, |count| *count == 1);
    let before = arrived(mesh, 503);
    let load = load(mesh, "shop/client", &["http://budget.shop/status/503", "--count", "20", "--clients", "2"]);
    assert_eq!(answers(&load, "503"), 40, "{load}");
    wait::until("nothing is beyond the budget", || arrived(mesh, 503) - before, |count| *count == 40);
}

fn timeouts(mesh: &Mesh) {
    assert_eq!(mesh.curl("shop/client", &["http://hasty.shop/delay/2000"]).status, 504);
    assert_eq!(mesh.curl("shop/client", &["http://hasty.shop/delay/10"]).status, 200);
}

fn faults(mesh: &Mesh) {
    let call = |url: &str, more: &[&str]| load(mesh, "shop/client", &[&[url], more].concat());
    let broken = call("http://broken.shop/", &["--count", "200", "--clients", "2"]);
    // Half of 400; five standard deviations are 50.
    let aborted = answers(&broken, "418");
    assert!((150..=250).contains(&aborted) && aborted + answers(&broken, "200") == 400, "{broken}");
    let slow = call("http://slow.shop/", &["--count", "3", "-H", "x-slow: yes"]);
    assert!(slow["seconds"].as_f64().is_some_and(|seconds| seconds >= 0.9), "{slow}");
    let fast = call("http://slow.shop/", &["--count", "3", "-H", "x-slow: no"]);
    assert!(fast["seconds"].as_f64().is_some_and(|seconds| seconds < 0.9), "{fast}");
}

fn sticky_sessions(mesh: &Mesh) {
    let pods = |load: &Value| load["pods"].as_object().map_or(0, serde_json::Map::len);
    let mut chosen = BTreeSet::new();
    for user in 0..8 {
        let header = format!("x-user: user-{user}");
        let load = load(mesh, "shop/client", &["http://header.shop/", "--count", "10", "-H", &header]);
        assert_eq!(pods(&load), 1, "one user, one pod: {load}");
        chosen.extend(load["pods"].as_object().into_iter().flatten().map(|(pod, _)| pod.clone()));
    }
    assert!(chosen.len() > 1, "eight users are not all on {chosen:?}");
    let first = mesh.curl("shop/client", &["-i", "http://cookie.shop/"]);
    let cookie = first.body.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("a cookie is made");
    let cookie = format!("cookie: {}", cookie.split(';').next().unwrap_or_default());
    let load = load(mesh, "shop/client", &["http://cookie.shop/", "--count", "20", "-H", &cookie]);
    assert_eq!(pods(&load), 1, "one session, one pod: {load}");
    let pod = load["pods"].as_object().and_then(|pods| pods.keys().next().cloned()).unwrap_or_default();
    assert!(first.body.contains(&format!("x-pod: {pod}")), "the first answer came from that pod, too: {first:?}");
}

fn circuit_breaker(mesh: &Mesh) {
    let load = load(mesh, "shop/client", &["http://narrow.shop/delay/50", "--count", "5", "--clients", "10"]);
    let refused = answers(&load, "503");
    assert!(refused > 0 && refused + answers(&load, "200") == 50, "it opens: {load}");
    let reply = mesh.curl_until("shop/client", &["-i", "http://narrow.shop/"], 200);
    assert!(!reply.body.contains("x-leno-reason"), "it closes again: {reply:?}");
}

/// An endpoint that fails is left out, and comes back.
fn outlier_detection(mesh: &Mesh) {
    let seen = |event: &str| {
        let log = mesh.ok(&["logs", "-n", "shop", "client", "-c", "proxy"]);
        log.lines().filter(|line| line.contains(event) && line.contains("shop/mixed:80")).count()
    };
    let call = || mesh.curl("shop/client", &["http://mixed.shop/"]).status;
    let before = seen("ejected");
    wait::until("an endpoint is ejected", || (call(), seen("ejected")), |(_, count)| *count > before);
    let before = seen("outlier returned");
    let load = load(mesh, "shop/client", &["http://mixed.shop/", "--count", "30"]);
    assert_eq!(answers(&load, "200"), 30, "the others take all: {load}");
    wait::until("it returns", || (call(), seen("outlier returned")), |(_, count)| *count > before);
}

/// OSM's 23, `local_ratelimit`: of a service, and of a route.
fn rate_limits(mesh: &Mesh) {
    let flood = ["timeout", "-s", "TERM", "4", "leno", "demo", "echo", "load", "http://limited.shop/", "--every", "2"];
    let output = mesh.exec("shop/client", &[&flood[..], &["--clients", "3"]].concat());
    let load: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let (passed, seconds) = (answers(&load, "200"), load["seconds"].as_f64().unwrap_or_default());
    assert!(answers(&load, "429") > 0, "{load}");
    // 50 at once, and 50 in each second.
    let expected = 50.0 + 50.0 * seconds;
    #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
    let off = (passed as f64 - expected).abs() / expected;
    assert!(off <= 0.05, "{passed} passed, {expected} should: {load}");
    let buy = || mesh.curl("shop/client", &["-i", "http://limited.shop/buy/1"]);
    let (first, second) = (buy(), buy());
    assert_eq!((first.status, second.status), (200, 503));
    assert!(second.body.contains("x-limited: yes"), "{second:?}");
    mesh.curl_until("shop/client", &["http://limited.shop/"], 200);
    assert_eq!(
        mesh.curl("shop/client", &["-X", "POST", "http://limited.shop/buy/1"]).status,
        200,
        "POST is not limited"
    );
    let bytes = || mesh.tcp("shop/client", "limited.shop", 9000, "bytes");
    assert_eq!([bytes(), bytes(), bytes()], ["bytes", "bytes", ""]);
}

/// A rate limit service, and a service of three pods that asks it. Windows of a day do not end while the test runs, or
/// almost never.
fn counted() -> String {
    rate_limit_service("shop")
        + &service("shop", "counted", "server", &[HTTP])
        + &policy(
            "counted",
            "globalRateLimit: { service: { name: limits, port: 8081 }, timeout: 1s, responseStatus: 420, \
             responseHeaders: { x-limited: everywhere }, limits: [\
             { name: daily, match: { path: { prefix: /daily } }, requests: 10, per: Day }, \
             { name: callers, match: { path: { exact: /mine } }, by: [{ caller: true }], requests: 2, per: Day }] }",
        )
}

/// One limit for three pods; of each caller; none while nobody counts.
fn global_rate_limits(mesh: &Mesh) {
    let daily = load(mesh, "shop/client", &["http://counted.shop/daily?a=1", "--count", "30"]);
    assert_eq!((answers(&daily, "200"), answers(&daily, "420")), (10, 20), "{daily}");
    let reply = mesh.curl("shop/client", &["-i", "http://counted.shop/daily/2"]);
    assert!(reply.status == 420 && reply.body.contains("x-limited: everywhere"), "{reply:?}");
    for caller in ["client", "other"] {
        let call = || mesh.curl(&format!("shop/{caller}"), &["-H", "x-leno-caller: me", "http://counted.shop/mine"]);
        let replies = [call(), call(), call()];
        assert_eq!(replies.clone().map(|reply| reply.status), [200, 200, 420], "{replies:?}");
        let seen = replies[0].json()["headers"]["x-leno-caller"].clone();
        assert_eq!(seen, serde_json::json!([format!("spiffe://cluster.local/ns/shop/sa/{caller}")]));
    }
    assert_eq!(
        mesh.curl("shop/client", &["http://counted.shop/mine/not"]).status,
        200,
        "of other requests there is none"
    );
    mesh.delete(&rate_limit_service("shop"));
    mesh.curl_until("shop/client", &["http://counted.shop/daily"], 200);
}

fn client_in_zone_a() -> String {
    let labels = "labels: { app: client, topology.kubernetes.io/zone: a }";
    client("shop", "client", "").replace("labels: { app: client }", labels)
}

/// How many of a load's requests pods of this Deployment answered.
fn answered_by(load: &Value, deployment: &str) -> u64 {
    let pods = load["pods"].as_object().into_iter().flatten();
    let own = pods.filter(|(pod, _)| pod.starts_with(&format!("{deployment}-")));
    own.filter_map(|(_, count)| count.as_u64()).sum()
}

/// Half of the requests are copied; the answers are those of the service.
fn mirrors(mesh: &Mesh) {
    let received = || {
        let pod = format!("shop/{}", mesh.pods("shop/east").remove(0));
        let text = mesh.curl(&pod, &["http://127.0.0.1:15020/stats/prometheus"]).body;
        let fits = |line: &&str| line.starts_with("leno_requests_total{") && line.contains("direction=\"inbound\"");
        text.lines().filter(fits).filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum::<u64>()
    };
    let before = received();
    let load = load(mesh, "shop/client", &["http://copied.shop/", "--count", "200", "--clients", "2"]);
    assert_eq!((answers(&load, "200"), answered_by(&load, "server")), (400, 400), "{load}");
    // Half of 400; five standard deviations are 50.
    wait::until("half of them are copied", || received() - before, |count| (150..=250).contains(count));
}

/// Zones, latency, and pods that are new.
fn places_and_times(mesh: &Mesh) {
    let call = |service: &str, count: &str| {
        let url = format!("http://{service}.shop/");
        load(mesh, "shop/client", &[&url, "--count", count])
    };
    let near = call("near", "30");
    assert_eq!(answered_by(&near, "east"), 30, "the client's zone first: {near}");
    let quick = call("quick", "200");
    assert!(answered_by(&quick, "east") >= 150, "the faster one gets more: {quick}");
    // It is gone, and comes back: as a new one it begins slowly, where the other has long had its share.
    mesh.delete(&Echo::new("shop", "east").yaml());
    let gone = wait::until("the other zone takes over", || call("near", "5"), |load| answered_by(load, "west") == 5);
    assert_eq!(answers(&gone, "200"), 5);
    wait::until("its pod is gone", || mesh.pods("shop/east"), Vec::is_empty);
    mesh.apply(&Echo { labels: "place: 'yes', topology.kubernetes.io/zone: a", ..Echo::new("shop", "east") }.yaml());
    wait::until("it is back", || call("near", "1"), |load| answered_by(load, "east") == 1);
    let gentle = call("gentle", "60");
    let (new, old) = (answered_by(&gentle, "east"), answered_by(&gentle, "west"));
    assert!(new < old / 2, "a new pod begins slowly: {gentle}");
    wait::until("it gets its full share", || call("gentle", "20"), |load| answered_by(load, "east") >= 9);
}

fn callers(mesh: &Mesh) {
    mesh.curl_until("shop/other", &["http://some.shop/"], 418);
    assert_eq!(mesh.curl("shop/client", &["http://some.shop/"]).status, 200);
}

/// Of two policies in conflict the older wins, and the other says so; of one port before of all ports.
fn precedence(mesh: &Mesh) {
    mesh.apply(&named("later", "plain", "timeouts: { request: 100ms }"));
    let standing = |name: &str| {
        let policy: Value = serde_json::from_str(&mesh.ok(&["get", "tp", name, "-n", "shop", "-o", "json"])).unwrap();
        policy["status"]["ancestors"][0]["conditions"][0].clone()
    };
    let told = wait::until("the younger is refused", || standing("later"), |it| it["status"] == "False");
    assert_eq!(told["reason"], "Conflicted", "{told}");
    assert!(told["message"].to_string().contains("TrafficPolicy shop/plain"), "{told}");
    assert_eq!(standing("plain")["status"], "True");
    assert_eq!(mesh.curl("shop/client", &["http://plain.shop/delay/300"]).status, 200);
    let table = mesh.ok(&["get", "trafficpolicies", "-n", "shop"]);
    let line = table.lines().find(|line| line.starts_with("later")).unwrap_or_else(|| panic!("{table}"));
    assert!(line.contains("Service/plain") && line.contains("timeouts") && line.contains("Conflicted"), "{table}");
    let of_port =
        named("later", "plain", "timeouts: { request: 100ms }").replace("plain }", "plain, sectionName: http }");
    mesh.apply(&of_port);
    mesh.curl_until("shop/client", &["http://plain.shop/delay/300"], 504);
    wait::until("the younger is accepted", || standing("later"), |it| it["status"] == "True");
}

/// Each caller, told by its certificate, has a limit of its own; so has each value of a header.
#[test]
fn callers_are_limited_each_by_itself() {
    let shop = meshed_namespace("shop")
        + &client("shop", "one", "")
        + &client("shop", "two", "")
        + &Echo::new("shop", "server").yaml()
        + &service("shop", "server", "server", &[HTTP]);
    let mesh = Mesh::up(&[shop, mesh_config("defaultAccess: Allow")]);
    mesh.curl_until("shop/one", &["http://server.shop/"], 200);
    mesh.apply(
        "---\napiVersion: policy.leno.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: { name: each, namespace: shop }\n\
         spec:\n  targetRefs: [{ kind: Service, name: server }]\n  localRateLimit:\n    http:\n      requests: 2\n      per: 1h\n      \
         by: [{ caller: true }]\n      routes: [{ match: { path: { prefix: /user } }, requests: 1, per: 1h, \
         by: [{ header: x-user }] }]\n",
    );
    let call = |from: &str, path: &str, header: &str| {
        mesh.curl(&format!("shop/{from}"), &["-H", header, &format!("http://server.shop{path}")]).status
    };
    wait::until("one has had its own", || call("one", "/", "a: b"), |status| *status == 429);
    assert_eq!(call("one", "/", "x-leno-caller: spiffe://cluster.local/ns/shop/sa/three"), 429, "it says so itself");
    assert_eq!([(); 3].map(|()| call("two", "/", "a: b")), [200, 200, 429], "the other has as much");
    assert_eq!([(); 2].map(|()| call("one", "/user", "x-user: me")), [200, 429]);
    assert_eq!([(); 2].map(|()| call("two", "/user", "x-user: you")), [200, 429]);
    assert_eq!(call("two", "/user", "x-user: me"), 429, "it is the header that counts there");
    assert_eq!([(); 2].map(|()| call("one", "/user", "a: b")), [200, 429], "those without it count together");
}
