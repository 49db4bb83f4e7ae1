//! EgressPolicy: what may be reached outside of the mesh. Outside are servers on the host's own loopback, which pods know as
//! `host.leno.internal`.

use std::{fs, path::Path, process::Command};

use e2e::{
    Mesh,
    manifest::{client, mesh_config, meshed_namespace},
    port,
    process::Running,
    wait,
};

use crate::{
    client_certificate::secret,
    origination::{certificate, config_map},
};

/// What `host.leno.internal` stands for.
const HOST: &str = "10.96.0.2";

fn policy(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: policy.leno.dev/v1alpha1\nkind: EgressPolicy\nmetadata: {{ name: {name}, namespace: shop }}\n\
         spec: {{ {spec} }}\n"
    )
}

/// A server of TLS; gives it and the file of its certificate.
fn tls_server(folder: &Path, port: u16) -> (Running, String) {
    let path = |name: &str| folder.join(name).display().to_string();
    let (certificate, key) = (path("cert.pem"), path("key.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"])
        .args(["-subj", "/CN=pay", "-addext", "subjectAltName=DNS:pay.example.org,DNS:other.example.net"])
        .args(["-keyout", &key, "-out", &certificate])
        .output()
        .expect("openssl runs");
    assert!(made.status.success() && fs::metadata(&certificate).is_ok(), "{made:?}");
    let number = port.to_string();
    let arguments = ["s_server", "-accept", &number, "-cert", &certificate, "-key", &key, "-www", "-quiet"];
    (Running::start(Command::new("openssl").args(arguments), port), certificate)
}

/// OSM's 7, `egress_policy` (by HTTP host, with a route, by SNI, by TCP), and 8: allowed with a policy, refused without.
#[test]
fn egress_policy() {
    let folder = tempfile::tempdir().expect("a folder");
    let [http, tcp, tls] = [port::free(), port::free(), port::free()];
    let arguments =
        ["demo", "echo", "serve", "--bind", "127.0.0.1", "--http", &http.to_string(), "--tcp", &tcp.to_string()];
    let _outside = Running::start(Command::new(e2e::mesh::leno()).args(arguments), http);
    let (_secure, certificate) = tls_server(folder.path(), tls);
    let shop = meshed_namespace("shop") + &client("shop", "client", "") + &client("shop", "other", "");
    let manifests = [shop, mesh_config("outboundPolicy: RegistryOnly")];
    let mesh = Mesh::up_with(&manifests, &["--allow-host-loopback"]);
    let by_host = |from: &str, host: &str, port: u16, path: &str, more: &[&str]| {
        let (resolve, url) = (format!("{host}:{port}:{HOST}"), format!("http://{host}:{port}{path}"));
        mesh.curl(&format!("shop/{from}"), &[&["-i", "--resolve", &resolve, &url], more].concat())
    };
    let by_name = |from: &str, host: &str| {
        let (resolve, url) = (format!("{host}:{tls}:{HOST}"), format!("https://{host}:{tls}/"));
        mesh.curl(&format!("shop/{from}"), &["--resolve", &resolve, "--cacert", &certificate, &url]).status
    };
    let bytes = |from: &str| mesh.tcp(&format!("shop/{from}"), HOST, tcp, "bytes");

    assert_eq!(by_host("client", "pay.example.org", http, "/", &[]).status, 0, "nothing is let through yet");
    assert_eq!((by_name("client", "pay.example.org"), bytes("client")), (0, String::new()));

    let web = policy(
        "web",
        &format!(
            "serviceAccounts: [client], hosts: [pay.example.org, '*.example.com'], \
             ports: [{{ number: {http}, protocol: HTTP }}, {{ number: {tls}, protocol: TLS }}]"
        ),
    );
    mesh.apply(&web);
    let look = || by_host("client", "pay.example.org", http, "/", &[]);
    let reply = wait::until("the host is let through", look, |reply| reply.status == 200);
    assert!(reply.body.contains("\"path\": \"/\"") || reply.body.contains("\"path\":\"/\""), "{reply:?}");
    assert_eq!(by_host("client", "a.example.com", http, "/", &[]).status, 200);
    let refused = by_host("client", "example.com", http, "/", &[]);
    assert_eq!(refused.status, 403, "only hosts below it: {refused:?}");
    assert!(refused.body.contains("x-leno-denied-by"), "{refused:?}");
    assert_eq!(by_host("other", "pay.example.org", http, "/", &[]).status, 0, "another account");
    assert_eq!(by_name("client", "pay.example.org"), 200);
    assert_eq!(by_name("client", "other.example.net"), 0, "another name");
    assert_eq!(by_name("other", "pay.example.org"), 0, "another account");
    assert_eq!(bytes("client"), "", "another port");

    let narrowed = web.replace("ports:", "matches: [{ path: { prefix: /get }, methods: [GET] }], ports:");
    mesh.apply(&narrowed);
    let look = || by_host("client", "pay.example.org", http, "/", &[]);
    wait::until("other paths are refused", look, |reply| reply.status == 403);
    assert_eq!(by_host("client", "pay.example.org", http, "/get/1", &[]).status, 200);
    assert_eq!(by_host("client", "pay.example.org", http, "/get/1", &["-X", "POST"]).status, 403);

    let limits = "retries: { attempts: 2, statusCodes: [503] }, timeouts: { request: 300ms }, ports:";
    mesh.apply(&web.replace("ports:", limits));
    let look = || by_host("client", "pay.example.org", http, "/delay/2000", &[]);
    wait::until("the timeout holds", look, |reply| reply.status == 504);

    let raw = format!("ipBlocks: [{HOST}/32], ports: [{{ number: {tcp}, protocol: TCP }}]");
    mesh.apply(&policy("raw", &raw));
    let _reached = wait::until("bytes are let through", || bytes("other"), |text| text == "bytes");
    mesh.apply(&policy("raw", &raw.replace(HOST, "192.0.2.1")));
    let _closed = wait::until("another address is not", || bytes("other"), String::is_empty);

    let counted = mesh.curl("shop/client", &["http://127.0.0.1:15020/stats/prometheus"]).body;
    let denied =
        |reason: &str| counted.lines().any(|line| line.starts_with("leno_denied_total") && line.contains(reason));
    assert!(denied("access_denied") && denied("unknown_destination"), "{counted}");
    mesh.delete(&web);
    let look = || by_host("client", "pay.example.org", http, "/", &[]).status;
    wait::until("it is closed again", look, |status| *status == 0);
    mesh.apply(&mesh_config("outboundPolicy: AllowAny"));
    wait::until("OSM's 8: everything is open", look, |status| *status == 200);
}

/// The application speaks plaintext, and its sidecar TLS, to another port than the one that is dialled.
#[test]
fn the_sidecar_speaks_tls_to_the_outside() {
    let folder = tempfile::tempdir().expect("a folder");
    let [http, tls, asking] = [port::free(), port::free(), port::free()];
    let (_secure, file) = tls_server(folder.path(), tls);
    let roots = fs::read_to_string(file).expect("a certificate");
    certificate(folder.path(), "our-shop", "shop.example");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (number, cert, key, callers) = (asking.to_string(), path("cert.pem"), path("key.pem"), path("our-shop.pem"));
    let arguments = ["s_server", "-accept", &number, "-cert", &cert, "-key", &key, "-www", "-quiet"];
    let verify = ["-Verify", "1", "-verify_return_error", "-CAfile", &callers];
    let _asking = Running::start(Command::new("openssl").args(arguments).args(verify), asking);
    let in_shop = |text: String| text.replace("namespace: outside", "namespace: shop");
    let mut shop = meshed_namespace("shop") + &client("shop", "client", "") + &client("shop", "other", "");
    shop += &in_shop(config_map("roots", &roots));
    shop += &in_shop(secret(folder.path(), "our-shop", "our-shop"));
    let manifests = [shop, mesh_config("outboundPolicy: RegistryOnly")];
    let mesh = Mesh::up_with(&manifests, &["--allow-host-loopback"]);
    let call = |from: &str, host: &str| {
        let (resolve, url) = (format!("{host}:{http}:{HOST}"), format!("http://{host}:{http}/"));
        mesh.curl(&format!("shop/{from}"), &["--resolve", &resolve, &url])
    };
    let believed = "caCertificateRefs: [{ kind: ConfigMap, name: roots }]";
    let outside = |host: &str, tls: &str| {
        let spec =
            format!("hosts: [{host}], ports: [{{ number: {http}, protocol: HTTP }}], tls: {{ {believed}, {tls} }}");
        policy("pay", &format!("serviceAccounts: [client], {spec}"))
    };
    mesh.apply(&outside("pay.example.org", &format!("port: {tls}")));
    let look = |what: &str, host: &str, status: u16| {
        wait::until(what, || call("client", host), |reply| reply.status == status)
    };
    let reply = look("it is reached by TLS", "pay.example.org", 200);
    assert!(reply.body.contains("TLSv1.3") && reply.body.contains("s_server"), "{reply:?}");
    assert_eq!(call("client", "other.example.net").status, 403, "another host");
    assert_eq!(call("other", "pay.example.org").status, 0, "another account");

    // Who is asked has to be who answers.
    mesh.apply(&outside("wrong.example.org", &format!("port: {tls}")));
    look("the certificate is another's", "wrong.example.org", 503);
    mesh.apply(&outside("wrong.example.org", &format!("port: {tls}, hostname: pay.example.org")));
    look("it is the name that is said", "wrong.example.org", 200);

    // A server that asks who calls.
    mesh.apply(&outside("pay.example.org", &format!("port: {asking}")));
    look("nobody calls", "pay.example.org", 503);
    let shown = "clientCertificate: { kind: Secret, name: caller }";
    mesh.apply(&outside("pay.example.org", &format!("port: {asking}, {shown}")));
    let reply = look("the caller is shown", "pay.example.org", 200);
    assert!(reply.body.contains("our-shop"), "{reply:?}");
    let missing = shown.replace("caller", "gone");
    mesh.apply(&outside("pay.example.org", &format!("port: {asking}, {missing}")));
    look("its certificate is gone", "pay.example.org", 503);
}
