//! What callers' sidecars show to servers that ask who calls: certificates of Secrets, and of the callers' own identity.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use e2e::{
    Mesh,
    manifest::{client, mesh_config, meshed_namespace, plain_namespace, service},
    wait,
};

use crate::origination::{TLS, certificate, config_map, traffic_policy};

/// A server that takes nobody without a certificate that these roots vouch for, and shows whose it was given.
fn server(name: &str, folder: &Path, roots: &Path) -> String {
    let (at, roots) = (folder.display(), roots.display());
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{ name: {name}, namespace: outside, labels: {{ app: {name} }} }}\n\
         spec:\n  containers:\n    - name: tls\n      image: openssl\n      command:\n        - sh\n        - -c\n        - |\n          \
         until [ -s {roots} ]; do sleep 0.1; done\n          \
         exec openssl s_server -accept 8443 -cert {at}/pay.pem -key {at}/pay.key -Verify 2 -verify_return_error \
         -CAfile {roots} -www -quiet\n      \
         readinessProbe: {{ tcpSocket: {{ port: 8443 }}, periodSeconds: 1 }}\n"
    ) + &service("outside", name, name, &[TLS])
}

/// The Secret with the certificate of this name, and the key of that one.
pub(crate) fn secret(folder: &Path, name: &str, key: &str) -> String {
    let read = |name: &str, end: &str| fs::read_to_string(folder.join(format!("{name}.{end}"))).expect("a file");
    let block = |text: String| text.lines().map(|line| format!("    {line}\n")).collect::<String>();
    format!(
        "---\napiVersion: v1\nkind: Secret\nmetadata: {{ name: caller, namespace: outside, annotations: {{ leno.dev/client-certificate: enabled }} }}\ntype: kubernetes.io/tls\n\
         stringData:\n  tls.crt: |\n{}  tls.key: |\n{}",
        block(read(name, "pem")),
        block(read(key, "key")),
    )
}

#[test]
fn callers_show_who_they_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = tempfile::tempdir().expect("a folder");
    fs::set_permissions(authority.path(), Permissions::from_mode(0o700)).expect("a folder of one's own");
    let folder = folder.path();
    let roots = certificate(folder, "pay", "pay.example");
    let callers = certificate(folder, "first-caller", "caller.example");
    let callers = callers + &certificate(folder, "second-caller", "caller.example");
    fs::write(folder.join("callers.pem"), callers).expect("a file");

    let tls = "mode: Simple, hostname: pay.example, caCertificateRefs: [{ kind: ConfigMap, name: roots }]";
    let named =
        traffic_policy("outside", "pay", &format!("{tls}, clientCertificate: {{ kind: Secret, name: caller }}"))
            .replace("spec: {", "spec: { from: [{ namespace: shop, serviceAccount: client }],");
    let own = traffic_policy("outside", "own", &format!("{tls}, clientCertificate: {{ kind: Identity }}"));
    let mut outside = plain_namespace("outside") + &config_map("roots", &roots);
    outside += &server("pay", folder, &folder.join("callers.pem"));
    outside += &server("own", folder, &authority.path().join("root.pem"));
    outside += &traffic_policy("outside", "pay", tls);
    outside += &own;
    let shop = meshed_namespace("shop") + &client("shop", "client", "") + &client("shop", "other", "");
    let manifests = [shop, outside, mesh_config("defaultAccess: Allow")];
    let mesh = Mesh::up_with(&manifests, &["--ca-dir", &authority.path().display().to_string()]);

    let seen = |from: &str, service: &str| mesh.curl(&format!("shop/{from}"), &[&format!("http://{service}.outside/")]);
    let shown = |from: &str, service: &str, who: &str| {
        wait::until(who, || seen(from, service), |reply| reply.status == 200 && reply.body.contains(who));
    };
    // Each shows its own identity, and the server believes the mesh's authority.
    shown("client", "own", "spiffe://cluster.local/ns/shop/sa/client");
    shown("other", "own", "spiffe://cluster.local/ns/shop/sa/other");
    mesh.curl_until("shop/client", &["http://pay.outside/"], 503);

    // The policy comes before its Secret.
    mesh.apply(&named);
    let stands = |word: &str| {
        let told = || mesh.ok(&["get", "trafficpolicies", "pay", "-n", "outside", "-o", "yaml"]);
        wait::until("the status says it", told, |told| told.contains(word));
    };
    stands("reason: InvalidClientCertificateRef");
    assert_eq!(seen("client", "pay").status, 503);
    mesh.apply(&secret(folder, "first-caller", "first-caller"));
    shown("client", "pay", "first-caller");
    stands("reason: Accepted");
    assert_eq!(seen("other", "pay").status, 503, "the policy is for another account");
    mesh.apply(&secret(folder, "second-caller", "second-caller"));
    shown("client", "pay", "second-caller");

    hidden(&mesh, folder);

    // A key that does not fit is shown to nobody, and neither is what is not there.
    mesh.apply(&secret(folder, "second-caller", "first-caller"));
    mesh.curl_until("shop/client", &["http://pay.outside/"], 503);
    stands("reason: InvalidClientCertificateRef");
    mesh.apply(&secret(folder, "first-caller", "first-caller"));
    shown("client", "pay", "first-caller");
    mesh.delete(&secret(folder, "first-caller", "first-caller"));
    mesh.curl_until("shop/client", &["http://pay.outside/"], 503);
}

/// Keys are nowhere to be seen.
fn hidden(mesh: &Mesh, folder: &Path) {
    let key = fs::read_to_string(folder.join("second-caller.key")).expect("a key");
    let line = key.lines().nth(1).expect("a line of it");
    let told = mesh.ok(&["proxy", "config", "client", "-n", "shop", "--json"]);
    assert!(told.contains("client-certificate/outside/caller") && told.contains("[redacted]"), "{told}");
    let of_others = mesh.ok(&["proxy", "config", "other", "-n", "shop", "--json"]);
    assert!(!of_others.contains("client-certificate/outside/caller"), "{of_others}");
    let dump = mesh.curl("shop/client", &["http://127.0.0.1:15000/config_dump"]);
    let explained = mesh.ok(&["explain", "--from", "shop/client", "--to", "pay.outside:80"]);
    let log = mesh.ok(&["logs", "client", "-n", "shop", "-c", "proxy"]);
    for text in [told, dump.body, explained, log] {
        assert!(!text.contains(line) && !text.contains("PRIVATE KEY"), "{text}");
    }
}
