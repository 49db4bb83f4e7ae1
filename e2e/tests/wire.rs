//! What crosses the network between pods: mutual TLS, and nothing else, and only between those who may.

use std::process::{Command, Stdio};

use e2e::{
    Mesh,
    manifest::{Echo, HTTP, TCP, client, mesh_config, meshed_namespace, plain_namespace, service},
    wait,
};

fn manifests() -> Vec<String> {
    vec![
        meshed_namespace("shop")
            + &client("shop", "client", "")
            + &Echo::new("shop", "server").yaml()
            + &service("shop", "server", "server", &[HTTP, TCP]),
        plain_namespace("plain")
            + &client("plain", "client", "")
            + &Echo::new("plain", "server").yaml()
            + &service("plain", "server", "server", &[HTTP]),
        mesh_config("defaultAccess: Allow"),
    ]
}

/// Everything between two meshed pods is captured on the server pod's own interface and searched for what was said.
/// The same words between plain pods are found: the capture itself works.
#[test]
#[ignore = "needs tcpdump: cargo xtask test"]
fn plaintext_never_crosses_between_meshed_pods() {
    let mesh = Mesh::up(&manifests());
    mesh.curl_until("shop/client", &["http://server.shop/"], 200);
    let folder = tempfile::tempdir().expect("a folder");
    let capture = |pod: &str, file: &str, talk: &dyn Fn()| {
        let file = folder.path().join(file);
        let (namespace, _) = pod.split_once('/').expect("namespace/name");
        let name = mesh.pods(pod).remove(0);
        let mut tcpdump = Command::new(e2e::mesh::leno());
        tcpdump.args(["--mesh", mesh.name(), "exec", "--privileged", "-n", namespace, &name, "--"]);
        tcpdump.args(["timeout", "4", "tcpdump", "-Z", "root", "-i", "eth0", "-U", "-w", "-"]).stdin(Stdio::null());
        tcpdump.stdout(std::fs::File::create(&file).expect("a file")).stderr(Stdio::null());
        let mut tcpdump = tcpdump.spawn().expect("tcpdump starts");
        wait::until(
            "tcpdump writes its header",
            || std::fs::metadata(&file).map_or(0, |file| file.len()),
            |length| *length >= 24,
        );
        talk();
        let _ended = tcpdump.wait().expect("it is our child");
        std::fs::read(&file).expect("the capture")
    };
    let found = |capture: &[u8], word: &str| capture.windows(word.len()).any(|window| window == word.as_bytes());
    let seen = capture("plain/server", "plain", &|| {
        mesh.curl_until("plain/client", &["-d", "open-secret", "http://server.plain/"], 200);
    });
    assert!(found(&seen, "open-secret"), "the capture of plain pods has what they said");
    let seen = capture("shop/server", "meshed", &|| {
        mesh.curl_until("shop/client", &["-d", "open-secret", "http://server.shop/"], 200);
        assert_eq!(mesh.tcp("shop/client", "server.shop", 9000, "open-secret"), "open-secret");
    });
    assert!(seen.len() > 2000, "the capture has the connections");
    assert!(!found(&seen, "open-secret") && !found(&seen, "HTTP/1.1"), "plaintext crossed between meshed pods");
}

/// In strict mode a client without a certificate is refused, one with a certificate of another root too.
#[test]
fn no_or_a_foreign_certificate_is_refused() {
    let mesh = Mesh::up(&manifests());
    let server = mesh.pod_field("shop/server", "ip");
    let plain = mesh.curl("plain/client", &[&format!("http://{server}:8080/")]);
    assert_eq!(plain.status, 0, "plaintext to a strict server: {plain:?}");
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name).display().to_string();
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "1",
            "-subj",
            "/CN=x",
        ])
        .args([
            "-addext",
            "subjectAltName=URI:spiffe://cluster.local/ns/shop/sa/client",
            "-keyout",
            &file("key"),
            "-out",
            &file("cert"),
        ])
        .output()
        .expect("openssl runs");
    assert!(made.status.success(), "{made:?}");
    let connect = |flags: &str| {
        let script = format!(
            "printf 'GET / HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n' | timeout 5 openssl s_client -connect {server}:8080 -alpn leno-http/1.1 {flags} -ign_eof 2>&1"
        );
        let output = mesh.exec("plain/client", &["sh", "-c", &script]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    for flags in [String::new(), format!("-cert {} -key {}", file("cert"), file("key"))] {
        let said = connect(&flags);
        assert!(!said.contains("HTTP/1.1 200") && !said.contains("\"pod\""), "openssl {flags} was served: {said}");
        assert!(said.contains("alert"), "the handshake was refused by an alert: {said}");
    }
    let counted = wait::until(
        "failed handshakes are counted",
        || mesh.curl("shop/server", &["http://127.0.0.1:15020/stats/prometheus"]).body,
        |text| {
            text.lines().any(|line| line.starts_with("leno_tls_handshakes_total") && !line.contains("result=\"ok\""))
        },
    );
    assert!(counted.contains("leno_tls_handshakes_total"));
}
