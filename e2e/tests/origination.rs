//! TLS that the caller's sidecar speaks for an application that speaks plaintext, with servers that have no sidecar.

use std::{path::Path, process::Command};

use e2e::{
    Mesh,
    manifest::{Echo, HTTP, client, mesh_config, meshed_namespace, plain_namespace, service},
    wait,
};

/// A certificate of its own making for this host, and its key, in the folder; given is the certificate.
pub(crate) fn certificate(folder: &Path, name: &str, host: &str) -> String {
    let file = |end: &str| folder.join(format!("{name}.{end}"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"])
        .args(["-subj", &format!("/CN={name}"), "-addext", &format!("subjectAltName=DNS:{host}"), "-keyout"])
        .arg(file("key"))
        .arg("-out")
        .arg(file("pem"))
        .output()
        .expect("openssl runs");
    assert!(made.status.success(), "{made:?}");
    std::fs::read_to_string(file("pem")).expect("a certificate")
}

fn server(folder: &Path) -> String {
    let at = folder.display();
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{ name: pay, namespace: outside, labels: {{ app: pay }} }}\n\
         spec:\n  containers:\n    - name: tls\n      image: openssl\n      command: \
         [openssl, s_server, -accept, \"8443\", -cert, \"{at}/pay.pem\", -key, \"{at}/pay.key\", -www, -quiet]\n      \
         readinessProbe: {{ tcpSocket: {{ port: 8443 }}, periodSeconds: 1 }}\n"
    )
}

/// A server that takes one version of TLS alone.
fn modern(folder: &Path) -> String {
    let (pod, more) = ("name: modern, namespace: outside, labels: { app: modern }", "-tls1_3, -cert");
    server(folder).replace("name: pay, namespace: outside, labels: { app: pay }", pod).replace("-cert", more)
}

pub(crate) fn config_map(name: &str, pem: &str) -> String {
    let text: String = pem.lines().map(|line| format!("    {line}\n")).collect();
    format!(
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: {name}, namespace: outside }}\ndata:\n  ca.crt: |\n{text}"
    )
}

fn backend_tls_policy(service: &str, hostname: &str, roots: &str) -> String {
    format!(
        "---\napiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\nmetadata: {{ name: {service}, namespace: outside }}\n\
         spec:\n  targetRefs: [{{ group: '', kind: Service, name: {service} }}]\n  \
         validation: {{ hostname: {hostname}, caCertificateRefs: [{{ group: '', kind: ConfigMap, name: {roots} }}] }}\n"
    )
}

/// The same in a Secret, which has a key besides.
fn secret(name: &str, pem: &str, key: &str) -> String {
    let text: String = key.lines().chain(pem.lines()).map(|line| format!("    {line}\n")).collect();
    format!(
        "---\napiVersion: v1\nkind: Secret\nmetadata: {{ name: {name}, namespace: outside }}\nstringData:\n  ca.crt: |\n{text}"
    )
}

pub(crate) fn traffic_policy(namespace: &str, service: &str, tls: &str) -> String {
    format!(
        "---\napiVersion: policy.leno.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {{ name: {service}, namespace: {namespace} }}\n\
         spec: {{ targetRefs: [{{ kind: Service, name: {service} }}], tls: {{ {tls} }} }}\n"
    )
}

pub(crate) const TLS: &str = "{ name: http, port: 80, targetPort: 8443 }";

/// The services of the server, each with what is said of its TLS, and whether it is reached so.
const SAID: [(&str, &str, u16); 7] = [
    ("simple", "mode: Simple, hostname: pay.example, caCertificateRefs: [{ kind: ConfigMap, name: roots }]", 200),
    (
        "versions",
        "mode: Simple, hostname: pay.example, caCertificateRefs: [{ kind: ConfigMap, name: roots }], maxVersion: '1.2'",
        200,
    ),
    (
        "names",
        "mode: Simple, hostname: other.example, subjectAltNames: [{ type: Hostname, hostname: pay.example }], \
         caCertificateRefs: [{ kind: ConfigMap, name: roots }]",
        200,
    ),
    ("host", "mode: Simple, hostname: other.example, caCertificateRefs: [{ kind: ConfigMap, name: roots }]", 503),
    ("stranger", "mode: Simple, hostname: pay.example, caCertificateRefs: [{ kind: ConfigMap, name: others }]", 503),
    ("system", "mode: Simple, hostname: pay.example, wellKnownCACertificates: System", 503),
    ("secret", "mode: Simple, hostname: pay.example, caCertificateRefs: [{ kind: Secret, name: roots }]", 200),
];

#[test]
fn the_sidecar_speaks_tls_for_the_application() {
    let folder = tempfile::tempdir().expect("a folder");
    let roots = certificate(folder.path(), "pay", "pay.example");
    let others = certificate(folder.path(), "other", "pay.example");
    let mut outside = plain_namespace("outside") + &server(folder.path());
    outside += &modern(folder.path());
    outside += &config_map("roots", &roots);
    outside += &config_map("others", &others);
    let key = std::fs::read_to_string(folder.path().join("pay.key")).expect("a key");
    outside += &secret("roots", &roots, &key);
    outside += &service("outside", "pay", "pay", &[TLS]);
    outside += &backend_tls_policy("pay", "pay.example", "roots");
    for name in ["modern", "newest", "older"] {
        outside += &service("outside", name, "modern", &[TLS]);
    }
    outside += &backend_tls_policy("modern", "pay.example", "roots");
    let believed = "mode: Simple, hostname: pay.example, caCertificateRefs: [{ kind: ConfigMap, name: roots }]";
    outside += &traffic_policy("outside", "newest", believed);
    outside += &traffic_policy("outside", "older", &format!("{believed}, maxVersion: '1.2'"));
    outside += &Echo::new("outside", "plain").yaml();
    outside += &service("outside", "plain", "plain", &[HTTP]);
    for (name, tls, _) in SAID {
        outside += &service("outside", name, "pay", &[TLS]);
        outside += &traffic_policy("outside", name, tls);
    }
    let mut shop = meshed_namespace("shop") + &client("shop", "client", "");
    shop += &Echo::new("shop", "meshed").yaml();
    shop += &service("shop", "meshed", "meshed", &[HTTP]);
    let mesh = Mesh::up(&[shop, outside, mesh_config("defaultAccess: Allow, mtls: Permissive")]);
    let reply = mesh.curl_until("shop/client", &["http://pay.outside/"], 200);
    assert!(reply.body.contains("s_server"), "{reply:?}");
    for (name, _, status) in SAID {
        mesh.curl_until("shop/client", &[&format!("http://{name}.outside/")], status);
    }
    for (name, status) in [("modern", 200), ("newest", 200), ("older", 503)] {
        mesh.curl_until("shop/client", &[&format!("http://{name}.outside/")], status);
    }
    let reply = mesh.curl("shop/client", &["http://versions.outside/"]);
    assert!(reply.body.contains("TLSv1.2"), "{reply:?}");
    told(&mesh);
    mesh_tls(&mesh);
    changes(&mesh, &roots, &others);
}

/// Mesh TLS is asked of a server that has none, and is left out with one that has it.
fn mesh_tls(mesh: &Mesh) {
    mesh.curl_until("shop/client", &["http://plain.outside/"], 200);
    mesh.apply(&traffic_policy("outside", "plain", "mode: Mutual"));
    mesh.curl_until("shop/client", &["http://plain.outside/"], 503);

    // What the server's sidecar counted of requests that came by mesh TLS, and of such that did not.
    let counted = |mtls: &str| {
        let label = format!("mtls=\"{mtls}\"");
        let text = mesh.curl("shop/meshed", &["http://127.0.0.1:15020/stats/prometheus"]).body;
        let of = |line: &&str| {
            line.starts_with("leno_requests_total{") && line.contains("direction=\"inbound\"") && line.contains(&label)
        };
        text.lines().filter(of).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>()
    };
    mesh.curl_until("shop/client", &["http://meshed.shop/"], 200);
    wait::until("a request by mesh TLS", || counted("true"), |count| *count > 0.0);
    assert_eq!(counted("false"), 0.0);
    mesh.apply(&traffic_policy("shop", "meshed", "mode: Disable"));
    let without = || {
        assert_eq!(mesh.curl("shop/client", &["http://meshed.shop/"]).status, 200);
        counted("false")
    };
    wait::until("a request without", without, |count| *count > 0.0);
}

/// What is wrong is in the log of the caller's sidecar; explanations name the policy.
fn told(mesh: &Mesh) {
    let log = mesh.ok(&["logs", "client", "-n", "shop", "-c", "proxy"]);
    assert!(log.lines().any(|line| line.contains("host.outside") && line.contains("UF")), "{log}");
    let output = mesh.leno(&["explain", "--from", "shop/client", "--to", "pay.outside:80"]);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("BackendTLSPolicy outside/pay (tls)"), "{told}");
}

/// A root that is another one counts at once, for new connections, and so does its return; the status says how it stands.
fn changes(mesh: &Mesh, roots: &str, others: &str) {
    let stands = |words: &[&str]| {
        let shown = || mesh.ok(&["get", "backendtlspolicies", "pay", "-n", "outside", "-o", "yaml"]);
        wait::until("the status says it", shown, |shown| words.iter().all(|word| shown.contains(word)));
    };
    stands(&["type: Accepted", "reason: Accepted", "reason: ResolvedRefs"]);
    mesh.apply(&config_map("roots", others));
    mesh.curl_until("shop/client", &["http://pay.outside/"], 503);
    mesh.apply(&config_map("roots", roots));
    mesh.curl_until("shop/client", &["http://pay.outside/"], 200);
    mesh.apply(&backend_tls_policy("pay", "pay.example", "gone"));
    mesh.curl_until("shop/client", &["http://pay.outside/"], 503);
    stands(&["reason: NoValidCACertificate", "reason: InvalidCACertificateRef"]);
    mesh.apply(&backend_tls_policy("pay", "pay.example", "roots"));
    mesh.curl_until("shop/client", &["http://pay.outside/"], 200);
    mesh.delete(&backend_tls_policy("pay", "pay.example", "roots"));
    // A handshake is expected where plaintext comes.
    let plain = |status: u16| status != 200;
    wait::until("plaintext again", || mesh.curl("shop/client", &["http://pay.outside/"]).status, |it| plain(*it));
}
