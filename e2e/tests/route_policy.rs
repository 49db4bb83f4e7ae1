//! TrafficPolicies of routes: what they say is what happens to the requests of a rule, and to no others.

use e2e::{
    Mesh,
    manifest::{Echo, HTTP, TCP, client, mesh_config, meshed_namespace, rate_limit_service, service},
};

/// A policy of a route, or of a rule of it; `spec` in flow style.
fn policy(name: &str, (kind, route, rule): (&str, &str, &str), spec: &str) -> String {
    let section = if rule.is_empty() { String::new() } else { format!(", sectionName: {rule}") };
    format!(
        "---\napiVersion: policy.leno.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {{ name: {name}, namespace: shop }}\n\
         spec: {{ targetRefs: [{{ group: gateway.networking.k8s.io, kind: {kind}, name: {route}{section} }}], {spec} }}\n"
    )
}

fn of_rule(rule: &str, spec: &str) -> String {
    policy(rule, ("HTTPRoute", "server", rule), spec)
}

/// Rules: name, prefix of the path, what is said of it.
const RULES: [(&str, &str, &str); 6] = [
    ("again", "/status/503", "retries: { attempts: 2, statusCodes: [503], backoff: { base: 5ms } }"),
    ("hasty", "/delay/900", "timeouts: { request: 200ms }"),
    ("broken", "/broken", "fault: { abort: { httpStatus: 418 } }"),
    ("few", "/few", "localRateLimit: { http: { requests: 2, per: 1h, responseStatus: 420 } }"),
    (
        "counted",
        "/counted",
        "globalRateLimit: { service: { name: limits, port: 8081 }, timeout: 1s, responseStatus: 421, limits: [\
         { name: of-route, by: [{ caller: true }], requests: 2, per: Day }] }",
    ),
    ("copied", "/copied", "mirror: { service: other, port: 80 }"),
];

fn manifests() -> Vec<String> {
    let mut shop = meshed_namespace("shop") + &client("shop", "client", "") + &client("shop", "second", "");
    shop += &Echo::new("shop", "server").yaml();
    shop += &service("shop", "server", "server", &[HTTP]);
    shop += &Echo::new("shop", "other").yaml();
    shop += &service("shop", "other", "other", &[HTTP]);
    shop += &rate_limit_service("shop");
    shop += "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: { name: server, namespace: shop }\nspec:\n  \
             parentRefs: [{ group: '', kind: Service, name: server, port: 80 }]\n  rules:\n";
    for (rule, path, _) in RULES {
        shop += &format!(
            "  - {{ name: {rule}, matches: [{{ path: {{ value: {path} }} }}], backendRefs: [{{ name: server, port: 80 }}] }}\n"
        );
    }
    shop += "  - { name: rest, backendRefs: [{ name: server, port: 80 }] }\n";
    for (rule, _, spec) in RULES {
        shop += &of_rule(rule, spec);
    }
    // The service says otherwise of everything; the rules above come before.
    shop += "---\napiVersion: policy.leno.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: { name: server, namespace: shop }\n\
             spec: { targetRefs: [{ kind: Service, name: server }], timeouts: { request: 5s }, \
             fault: { abort: { httpStatus: 419 }, headers: [{ name: x-fail, exact: 'yes' }] } }\n";
    shop += &Echo::new("shop", "bytes").yaml();
    shop += &service("shop", "bytes", "bytes", &[TCP]);
    shop += "---\napiVersion: gateway.networking.k8s.io/v1alpha2\nkind: TCPRoute\nmetadata: { name: bytes, namespace: shop }\nspec:\n  \
             parentRefs: [{ group: '', kind: Service, name: bytes }]\n  \
             rules: [{ name: all, backendRefs: [{ name: bytes, port: 9000 }] }]\n";
    shop += &policy("bytes", ("TCPRoute", "bytes", "all"), "localRateLimit: { tcp: { connections: 1, per: 1h } }");
    vec![shop, mesh_config("defaultAccess: Allow")]
}

#[test]
fn what_policies_say_of_rules_is_what_happens() {
    let mesh = Mesh::up(&manifests());
    mesh.curl_until("shop/client", &["http://server.shop/"], 200);
    let status = |pod: &str, arguments: &[&str]| mesh.curl(&format!("shop/{pod}"), arguments).status;
    let call = |path: &str| status("client", &[&format!("http://server.shop{path}")]);

    assert_eq!((call("/broken"), call("/status/418"), call("/status/502")), (418, 418, 502));
    let fail = |path: &str| status("client", &["-H", "x-fail: yes", &format!("http://server.shop{path}")]);
    assert_eq!(
        (fail("/broken"), fail("/few"), fail("/")),
        (418, 419, 419),
        "the rule's policy wins, of its own sections"
    );
    assert_eq!((call("/delay/900"), call("/delay/400")), (504, 200), "of one rule alone");
    let retries = || {
        let text = mesh.curl("shop/client", &["http://127.0.0.1:15020/stats/prometheus"]).body;
        let lines = text.lines().filter(|line| line.starts_with("leno_retries_total"));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum::<u64>()
    };
    let before = retries();
    assert_eq!((call("/status/503"), call("/status/500")), (503, 500));
    assert_eq!(retries() - before, 2, "of one rule alone");
    assert_eq!([(); 3].map(|()| call("/few")), [200, 200, 420]);
    assert_eq!(status("second", &["http://server.shop/few"]), 200, "each caller's sidecar has its own");
    for pod in ["client", "second"] {
        assert_eq!([(); 3].map(|()| status(pod, &["http://server.shop/counted"])), [200, 200, 421], "{pod}");
    }
    assert_eq!(call("/"), 200);
    copies(&mesh);
    explained(&mesh);
    let greet = || mesh.tcp("shop/client", "bytes.shop", 9000, "hello");
    assert!(greet().contains("hello"));
    assert!(!greet().contains("hello"), "the second connection is one too many");
    changes(&mesh);
}

/// What a rule says goes to another service as well.
fn copies(mesh: &Mesh) {
    mesh.curl_until("shop/client", &["http://server.shop/copied"], 200);
    let pod = format!("shop/{}", mesh.pods("shop/other")[0]);
    let told = || mesh.curl(&pod, &["http://127.0.0.1:15020/stats/prometheus"]).body;
    let inbound = |line: &str| line.starts_with("leno_requests_total{") && line.contains("direction=\"inbound\"");
    e2e::wait::until("a copy arrives", told, |told| told.lines().any(inbound));
}

/// The policy of each step has a name.
fn explained(mesh: &Mesh) {
    for ((rule, path, _), section) in
        RULES.into_iter().zip(["retries", "timeouts", "fault", "localRateLimit", "globalRateLimit", "mirror"])
    {
        let output = mesh.leno(&["explain", "--from", "shop/client", "--to", "server.shop:80", "--path", path]);
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(told.contains(&format!("TrafficPolicy shop/{rule} ({section})")), "{told}");
    }
}

/// Policies come and go while everything runs.
fn changes(mesh: &Mesh) {
    let late = of_rule("rest", "fault: { abort: { httpStatus: 417 } }");
    mesh.apply(&late);
    mesh.curl_until("shop/client", &["http://server.shop/"], 417);
    mesh.delete(&late);
    mesh.curl_until("shop/client", &["http://server.shop/"], 200);
    mesh.apply(&of_rule("broken", "fault: { abort: { httpStatus: 416 } }"));
    mesh.curl_until("shop/client", &["http://server.shop/broken"], 416);
}
