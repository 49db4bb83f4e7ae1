//! `leno explain`: what it says, beside what then happens.

use e2e::{
    Mesh,
    manifest::{
        Echo, HTTP, TCP, allow_http, allow_tcp, client, mesh_config, meshed_namespace, plain_namespace, service,
        service_with, traffic_split,
    },
    wait,
};
use serde_json::Value;

/// What `leno explain` says: its exit code, its JSON, its text.
#[derive(Debug)]
struct Said {
    code: i32,
    json: Value,
    text: String,
}

fn explain(mesh: &Mesh, from: &str, to: &str, more: &[&str]) -> Said {
    let arguments = [&["explain", "--from", from, "--to", to], more].concat();
    // A change may arrive between the two.
    let both = || (mesh.leno(&arguments), mesh.leno(&[&arguments[..], &["-o", "json"]].concat()));
    let alike = |(text, json): &(std::process::Output, std::process::Output)| text.status.code() == json.status.code();
    let (text, json) = wait::until("text and JSON agree", both, alike);
    Said {
        code: text.status.code().unwrap_or(-1),
        json: serde_json::from_slice(&json.stdout).unwrap_or(Value::Null),
        text: [String::from_utf8_lossy(&text.stdout), String::from_utf8_lossy(&text.stderr)].concat(),
    }
}

impl Said {
    /// The statuses of all that is refused, wherever.
    fn refused(&self) -> Vec<u64> {
        fn gather(value: &Value, statuses: &mut Vec<u64>) {
            match value {
                Value::Object(fields) => {
                    if let Some(refusals) = fields.get("refusals").and_then(Value::as_array) {
                        statuses.extend(refusals.iter().filter_map(|it| it["status"].as_u64()));
                    }
                    fields.values().for_each(|value| gather(value, statuses));
                }
                Value::Array(values) => values.iter().for_each(|value| gather(value, statuses)),
                _ => {}
            }
        }
        let mut statuses = Vec::new();
        gather(&self.json, &mut statuses);
        statuses.sort_unstable();
        statuses.dedup();
        statuses
    }
}

/// Explains a GET, asks for it, and compares: the exit code says whether it got there, and the refusal told is the one met.
fn compare(mesh: &Mesh, (from, to): (&str, &str), path: &str, header: Option<&str>, status: u16, says: &[&str]) {
    let headers: Vec<&str> = header.into_iter().flat_map(|header| ["-H", header]).collect();
    let said = explain(mesh, from, to, &[&["--path", path], &headers[..]].concat());
    let url = format!("http://{to}{path}");
    let met = mesh.curl(from, &[&[&*url], &headers[..]].concat());
    assert_eq!(met.status, status, "{from} {url}: {met:?}\n{}", said.text);
    let there = status == 200;
    assert_eq!(said.code, i32::from(!there), "{from} {url}\n{}", said.text);
    let refused = if there { vec![] } else { vec![u64::from(status)] };
    assert_eq!(said.refused(), refused, "{from} {url}\n{}", said.text);
    for part in says {
        assert!(said.text.contains(part), "{from} {url}: {part:?} is not in\n{}", said.text);
    }
}

fn manifests() -> Vec<String> {
    let mut shop = meshed_namespace("shop")
        + &Echo::new("shop", "server").yaml()
        + &service("shop", "server", "server", &[HTTP, TCP])
        + &service("shop", "empty", "nobody", &[HTTP]);
    for name in ["v1", "v2"] {
        let mut echo = Echo::new("shop", name);
        echo.labels = "root: all";
        shop += &(echo.yaml() + &service("shop", name, name, &[HTTP]));
        shop += &allow_http(&format!("shop/{name}"), "/.*", "\"*\"", &["front/web"]);
    }
    shop += &service_with("shop", "root", "root: all", "", &[HTTP]);
    shop += &traffic_split("shop", "root", &["{ service: v1, weight: 75 }", "{ service: v2, weight: 25 }"]);
    let route = "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n\
         metadata: { name: canary, namespace: shop }\nspec:\n  \
         parentRefs: [{ group: '', kind: Service, name: v1, port: 80 }]\n  rules:\n    \
         - { name: beta, matches: [{ headers: [{ name: x-beta, value: 'yes' }] }], backendRefs: [{ name: v2, port: 80 }] }\n    \
         - { name: rest, backendRefs: [{ name: v1, port: 80 }] }\n    \
         - { name: moved, matches: [{ path: { value: /old } }], filters: [{ type: RequestRedirect, requestRedirect: { path: { type: ReplaceFullPath, replaceFullPath: /new } } }] }\n";
    let policies = "---\napiVersion: policy.leno.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: { name: patience, namespace: shop }\n\
         spec: { targetRefs: [{ kind: Service, name: server }], timeouts: { request: 7s } }\n\
         ---\napiVersion: policy.leno.dev/v1alpha1\nkind: AccessPolicy\nmetadata: { name: no-admin, namespace: shop }\n\
         spec: { targetRefs: [{ kind: Service, name: server, sectionName: http }], action: Deny, rules: [{ to: [{ path: { prefix: /smi/admin } }] }] }\n";
    vec![
        meshed_namespace("front") + &client("front", "web", "") + &client("front", "batch", ""),
        plain_namespace("dark") + &client("dark", "thief", ""),
        shop + route + policies,
        allow_http("shop/server", "/smi.*", "\"*\"", &["front/web"]),
        allow_tcp("shop/server", "9000", &["front/web"]),
    ]
}

#[test]
fn what_is_explained_is_what_happens() {
    let mesh = Mesh::up(&manifests());
    let ready = || mesh.curl("front/web", &["http://server.shop/smi"]).status;
    wait::until("the first call is let in", ready, |status| *status == 200);

    // Access: by SMI, against it, and by an AccessPolicy.
    let patience = ["TrafficTarget shop/server-http", "answers within 7s", "TrafficPolicy shop/patience (timeouts)"];
    compare(&mesh, ("front/web", "server.shop:80"), "/smi", None, 200, &patience);
    compare(
        &mesh,
        ("front/batch", "server.shop:80"),
        "/smi",
        None,
        403,
        &["no policy allows it", "UAEX access_denied"],
    );
    compare(&mesh, ("front/web", "server.shop:80"), "/smi/admin", None, 403, &["AccessPolicy shop/no-admin"]);
    // Routes: by a header, the rest, and an answer of the route's own.
    let beta = ["shop/canary/beta", "HTTPRoute shop/canary", "Verdict: it reaches shop/v2"];
    compare(&mesh, ("front/web", "v1.shop:80"), "/", Some("x-beta: yes"), 200, &beta);
    compare(&mesh, ("front/web", "v1.shop:80"), "/", None, 200, &["shop/canary/rest", "Verdict: it reaches shop/v1"]);
    compare(&mesh, ("front/web", "v1.shop:80"), "/old", None, 302, &["shop/canary/moved", "/new"]);
    // A split, and nobody there.
    let split = ["TrafficSplit shop/root", "75 % outbound/shop/v1:80", "25 % outbound/shop/v2:80", "shop/v1 (75 %)"];
    compare(&mesh, ("front/web", "root.shop:80"), "/", None, 200, &split);
    compare(&mesh, ("front/web", "empty.shop:80"), "/", None, 503, &["UH no_healthy_upstream"]);

    partly(&mesh);
    bytes(&mesh);
    who_is_not_in_the_mesh(&mesh);
    unknown(&mesh);
}

/// What fails for a part of the requests, and what fails once there were enough.
fn partly(mesh: &Mesh) {
    let policy = |name: &str, service: &str, spec: &str| {
        format!(
            "---\napiVersion: policy.leno.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {{ name: {name}, namespace: shop }}\n\
             spec: {{ targetRefs: [{{ kind: Service, name: {service} }}], {spec} }}\n"
        )
    };
    mesh.apply(&policy("tests", "root", "fault: { abort: { percent: 30, httpStatus: 503 } }"));
    let look = || explain(mesh, "front/web", "root.shop:80", &[]);
    let said = wait::until("the fault is told", look, |said| said.text.contains("fails 30 % with 503"));
    assert_eq!((said.code, said.refused()), (1, vec![503]), "{}", said.text);
    for part in ["TrafficPolicy shop/tests (fault)", "70 % of such requests reach an endpoint"] {
        assert!(said.text.contains(part), "{part}: {}", said.text);
    }
    mesh.apply(&policy("few", "v2", "localRateLimit: { http: { requests: 1, per: 1h } }"));
    let look = || explain(mesh, "front/web", "v2.shop:80", &[]);
    let said = wait::until("the limit is told", look, |said| said.text.contains("1 more now"));
    assert_eq!(said.code, 0, "explaining takes nothing: {}", said.text);
    assert_eq!(mesh.curl("front/web", &["http://v2.shop/"]).status, 200);
    compare(
        mesh,
        ("front/web", "v2.shop:80"),
        "/",
        None,
        429,
        &["TrafficPolicy shop/few (localRateLimit)", "0 more now"],
    );
}

/// Bytes, which have no path.
fn bytes(mesh: &Mesh) {
    assert_eq!(mesh.tcp("front/web", "server.shop", 9000, "bytes"), "bytes");
    let said = explain(mesh, "front/web", "server.shop:9000", &["--tcp"]);
    assert_eq!(said.code, 0, "{}", said.text);
    assert!(said.text.contains("TrafficTarget shop/server-tcp"), "{}", said.text);
    assert_eq!(mesh.tcp("front/batch", "server.shop", 9000, "bytes"), "");
    let said = explain(mesh, "front/batch", "server.shop:9000", &["--tcp"]);
    assert_eq!(said.code, 1, "{}", said.text);
    assert!(said.text.contains("access_denied"), "{}", said.text);
}

/// Callers and servers without a sidecar.
fn who_is_not_in_the_mesh(mesh: &Mesh) {
    assert_eq!(mesh.curl("dark/thief", &["http://server.shop/smi"]).status, 0);
    let said = explain(mesh, "dark/thief", "server.shop:80", &["--path", "/smi"]);
    assert_eq!((said.code, said.refused()), (1, vec![0]), "{}", said.text);
    for part in ["has no sidecar", "plaintext_refused", "mesh TLS is demanded"] {
        assert!(said.text.contains(part), "{part}: {}", said.text);
    }
    mesh.apply(&(Echo::new("dark", "plain").yaml() + &service("dark", "plain", "plain", &[HTTP])));
    let call = || mesh.curl("front/web", &["http://plain.dark/"]).status;
    wait::until("the plain server answers", call, |status| *status == 200);
    compare(mesh, ("front/web", "plain.dark:80"), "/", None, 200, &["has no sidecar", "plaintext"]);
    compare(mesh, ("dark/thief", "plain.dark:80"), "/", None, 200, &["Verdict: it reaches dark/plain"]);
}

/// What the mesh does not know: names, ports, addresses.
fn unknown(mesh: &Mesh) {
    let said = explain(mesh, "front/web", "nobody.shop:80", &[]);
    assert_eq!(said.code, 1, "{}", said.text);
    assert!(said.text.contains("nobody.shop has no address"), "{}", said.text);
    let said = explain(mesh, "front/web", "server.shop:81", &[]);
    assert_eq!(said.code, 1, "{}", said.text);
    assert!(said.text.contains("service shop/server has no port 81"), "{}", said.text);
    let said = explain(mesh, "front/web", "192.0.2.1:80", &[]);
    assert_eq!(said.code, 0, "{}", said.text);
    assert!(said.text.contains("does not know 192.0.2.1:80") && said.text.contains("passthrough"), "{}", said.text);
    mesh.apply(&mesh_config("outboundPolicy: RegistryOnly"));
    let refused = || explain(mesh, "front/web", "192.0.2.1:80", &[]);
    let said = wait::until("only known destinations are allowed", refused, |said| said.code == 1);
    assert!(said.text.contains("NR unknown_destination"), "{}", said.text);
    assert_eq!(mesh.curl("front/web", &["http://192.0.2.1/"]).status, 0);
    mesh.apply(
        "apiVersion: policy.leno.dev/v1alpha1\nkind: EgressPolicy\nmetadata: { name: pay, namespace: front }\n\
         spec: { hosts: [pay.example.org], ports: [{ number: 80, protocol: HTTP }, { number: 443, protocol: TLS }] }\n",
    );
    let asked = || explain(mesh, "front/web", "192.0.2.1:80", &["-H", "host: pay.example.org"]);
    let said = wait::until("the host is let through", asked, |said| said.code == 0);
    assert!(said.text.contains("EgressPolicy front/pay"), "{}", said.text);
    compare(mesh, ("front/web", "192.0.2.1:80"), "/", None, 403, &["access_denied"]);
    let by_name = |name: &str| explain(mesh, "front/web", "192.0.2.1:443", &["--tls", name]).code;
    assert_eq!((by_name("pay.example.org"), by_name("other.example.org")), (0, 1));
    // What makes no sense is told apart.
    assert_eq!(explain(mesh, "front/nobody", "server.shop:80", &[]).code, 2);
    assert_eq!(explain(mesh, "front/web", "server.shop", &[]).code, 2);
}
