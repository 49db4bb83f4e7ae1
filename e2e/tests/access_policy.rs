//! AccessPolicy: what is allowed, denied, audited and tried out, beside SMI and by itself. One mesh for all.

use e2e::{
    Mesh,
    manifest::{Echo, HTTP, TCP, allow_http, client, mesh_config, meshed_namespace, service},
    wait,
};
use serde_json::Value;

fn policy(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: policy.leno.dev/v1alpha1\nkind: AccessPolicy\nmetadata: {{ name: {name}, namespace: shop }}\n\
         spec: {{ targetRefs: [{{ kind: Service, name: server }}], {spec} }}\n"
    )
}

fn manifests() -> Vec<String> {
    let mut front = meshed_namespace("front");
    for name in ["web", "batch"] {
        front += &client("front", name, "");
    }
    vec![
        front,
        meshed_namespace("dark") + &client("dark", "thief", ""),
        meshed_namespace("shop")
            + &Echo::new("shop", "server").yaml()
            + &service("shop", "server", "server", &[HTTP, TCP]),
        allow_http("shop/server", "/smi.*", "\"*\"", &["front/web"]),
    ]
}

/// What the server's sidecar counted of this metric for callers whose identity has this in it.
fn counted(mesh: &Mesh, metric: &str, caller: &str) -> u64 {
    let text = mesh.curl("shop/server", &["http://127.0.0.1:15020/stats/prometheus"]).body;
    let fits = |line: &&str| line.starts_with(metric) && line.contains(caller);
    text.lines().filter(fits).filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

#[test]
fn allow_deny_audit_and_dry_run() {
    let mesh = Mesh::up(&manifests());
    let get = |from: &str, path: &str| mesh.curl(from, &[&format!("http://server.shop{path}")]).status;
    let until = |what: &str, from: &str, path: &str, status: u16| {
        wait::until(what, || get(from, path), |got| *got == status);
    };
    until("SMI lets it in", "front/web", "/smi", 200);
    assert_eq!((get("front/batch", "/smi"), get("front/web", "/other"), get("dark/thief", "/smi")), (403, 403, 403));

    // Allowed beside SMI: by namespace and path, with a header.
    mesh.apply(&policy(
        "front",
        "rules: [{ from: [{ namespaces: [front] }], to: [{ path: { prefix: /shared }, methods: [GET] }, { ports: [9000] }] }]",
    ));
    until("the policy lets it in", "front/batch", "/shared/1", 200);
    assert_eq!((get("front/web", "/smi"), get("front/web", "/shared"), get("front/batch", "/smi")), (200, 200, 403));
    assert_eq!(get("dark/thief", "/shared/1"), 403);
    assert_eq!(mesh.curl("front/batch", &["-X", "POST", "http://server.shop/shared/1"]).status, 403);
    assert_eq!(mesh.tcp("front/batch", "server.shop", 9000, "bytes"), "bytes");
    assert_eq!(mesh.tcp("dark/thief", "server.shop", 9000, "bytes"), "");

    // Denied, whatever allows it, and named to whom it concerns.
    mesh.apply(&policy(
        "no-batch",
        "action: Deny, rules: [{ from: [{ serviceAccounts: [{ serviceAccount: batch, namespace: front }] }] }]",
    ));
    until("it is denied", "front/batch", "/shared/1", 403);
    let reply = mesh.curl("front/batch", &["-i", "http://server.shop/shared/1"]);
    assert!(reply.body.contains("x-leno-denied-by: AccessPolicy shop/no-batch"), "{reply:?}");
    assert_eq!(mesh.tcp("front/batch", "server.shop", 9000, "bytes"), "");
    assert_eq!(get("front/web", "/shared/1"), 200, "others pass");

    audit_and_dry_run(&mesh);
    defaults(&mesh);
}

/// Makes a key, writes it down as a set of keys, and signs tokens with what each argument says; with OpenSSL.
const SIGN: &str = "
import base64, json, subprocess, sys
folder = sys.argv[1]
text = lambda data: base64.urlsafe_b64encode(data).rstrip(b'=').decode()
openssl = lambda *a, **k: subprocess.run(['openssl', *a], check=True, capture_output=True, **k).stdout
openssl('genrsa', '-out', folder + '/key.pem', '2048')
modulus = bytes.fromhex(openssl('rsa', '-in', folder + '/key.pem', '-noout', '-modulus').decode().strip().split('=')[1])
key = {'kty': 'RSA', 'kid': 'k', 'alg': 'RS256', 'n': text(modulus), 'e': 'AQAB'}
json.dump({'keys': [key]}, open(folder + '/keys.json', 'w'))
for claims in sys.argv[2:]:
    head = text(b'{\"alg\":\"RS256\",\"kid\":\"k\"}') + '.' + text(claims.encode())
    print(head + '.' + text(openssl('dgst', '-sha256', '-sign', folder + '/key.pem', input=head.encode())))
";

/// What tokens let in; `more` stands before it.
fn tokens_policy(more: &str) -> String {
    let spec = "tokens: [{ issuer: id, audiences: [shop], keys: { service: { name: id, port: 80, path: /keys.json } } }], \
             rules: [{ from: [{ tokens: [{ issuer: id, claims: [{ path: [realm, roles], values: [admin, root] }] }] }], \
             to: [{ path: { prefix: /admin } }] }, { from: [{ tokens: [{ issuer: id, claims: [{ path: [scope], \
             values: [b] }] }] }], to: [{ path: { prefix: /read } }] }]";
    policy("tokens", &format!("{more}{spec}"))
}

/// Who has a token that says the right thing is let in; a bad token is refused as such.
#[test]
fn tokens_say_who_may_call() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().display().to_string();
    let claims = [
        r#"{"iss":"id","aud":"shop","exp":4102444800,"realm":{"roles":["reader","admin"]},"scope":"a b"}"#,
        r#"{"iss":"id","aud":"shop","exp":4102444800,"realm":{"roles":["reader"]},"scope":"a b"}"#,
        r#"{"iss":"id","aud":"other","exp":4102444800,"realm":{"roles":["admin"]}}"#,
        r#"{"iss":"id","aud":"shop","exp":1,"realm":{"roles":["admin"]}}"#,
    ];
    let output = std::process::Command::new("python3").args(["-c", SIGN, &path]).args(claims).output();
    let output = output.expect("python3 starts");
    let signed = String::from_utf8_lossy(&output.stdout).into_owned();
    let tokens: Vec<_> = signed.lines().collect();
    assert_eq!(tokens.len(), claims.len(), "{output:?}");
    let issuer = format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{ name: id, namespace: shop, labels: {{ app: id }} }}\nspec:\n  \
         terminationGracePeriodSeconds: 1\n  containers:\n    - name: id\n      image: python\n      \
         command: [python3, -m, http.server, \"8080\", --directory, \"{path}\"]\n      \
         readinessProbe: {{ tcpSocket: {{ port: 8080 }}, periodSeconds: 1 }}\n"
    );
    let shop = meshed_namespace("shop")
        + &client("shop", "web", "")
        + &Echo::new("shop", "server").yaml()
        + &service("shop", "server", "server", &[HTTP])
        + &issuer
        + &service("shop", "id", "id", &[HTTP])
        + &tokens_policy("");
    let mesh = Mesh::up(&[shop, mesh_config("defaultAccess: Allow")]);
    let call = |path: &str, token: Option<&str>| {
        let header = token.map_or_else(|| "a: b".to_owned(), |token| format!("authorization: Bearer {token}"));
        mesh.curl("shop/web", &["-H", &header, &format!("http://server.shop{path}")])
    };
    wait::until("the keys are there", || call("/admin", Some(tokens[0])).status, |status| *status == 200);
    assert_eq!(call("/admin", Some(tokens[1])).status, 403, "another role");
    assert_eq!(call("/read", Some(tokens[1])).status, 200, "a word of a list");
    assert_eq!(call("/admin", None).status, 403, "no token");
    assert_eq!(call("/other", Some(tokens[0])).status, 403, "another path");
    // `leno explain` verifies them, too.
    let explained = |token: &str| {
        let header = format!("authorization: Bearer {token}");
        let from_to = ["explain", "--from", "shop/web", "--to", "server.shop:80", "--path", "/admin"];
        let output = mesh.leno(&[&from_to[..], &["-H", &header]].concat());
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    for (token, code, says) in
        [(tokens[0], 0, "AccessPolicy shop/tokens"), (tokens[1], 1, "403 (UAEX access_denied)"), (tokens[3], 1, "401")]
    {
        let (ended, said) = explained(token);
        assert!(ended == Some(code) && said.contains(says), "{says}: {said}");
    }
    let elsewhere = call("/admin", Some(tokens[2]));
    assert_eq!(elsewhere.status, 403, "for another audience: {elsewhere:?}");
    for (token, what) in [(tokens[3], "too old"), ("a.b.c", "no token at all")] {
        assert_eq!(call("/admin", Some(token)).status, 401, "{what}");
    }
    let signed = tokens[0].len() - 8;
    let forged = format!("{}AAAAAAAA", &tokens[0][..signed]);
    assert_eq!(call("/admin", Some(&forged)).status, 401, "signed by somebody else");
    // Only tried out, it refuses nothing, whatever a token is worth.
    mesh.apply(&tokens_policy("dryRun: true, "));
    for (path, token) in [("/admin", &*forged), ("/admin", tokens[3]), ("/other", tokens[0])] {
        wait::until("it passes", || call(path, Some(token)).status, |status| *status == 200);
    }
}

/// What is audited or only tried out passes, and is told.
fn audit_and_dry_run(mesh: &Mesh) {
    mesh.apply(&policy(
        "watch",
        "action: Audit, rules: [{ from: [{ identities: ['spiffe://cluster.local/ns/front/*'] }] }]",
    ));
    mesh.apply(&policy("maybe", "action: Deny, dryRun: true, rules: [{ to: [{ path: { exact: /shared/dry } }] }]"));
    let call = || mesh.curl("front/web", &["http://server.shop/shared/dry"]).status;
    let look = |metric| move || (call(), counted(mesh, metric, "sa/web"));
    let (status, _) = wait::until("it is told", look("leno_shadow_denied_total"), |(_, count)| *count > 0);
    assert_eq!(status, 200, "it passes");
    wait::until("it is audited", look("leno_audited_total"), |(status, count)| *status == 200 && *count > 0);
    let pod = mesh.pods("shop/server").remove(0);
    let log = mesh.ok(&["logs", "-n", "shop", &pod, "-c", "proxy"]);
    assert!(log.contains("AccessPolicy shop/watch") && log.contains("AccessPolicy shop/maybe"), "{log}");
    let row = wait::until(
        "its status is told",
        || {
            let table = mesh.ok(&["get", "accesspolicies", "-n", "shop"]);
            table.lines().find(|line| line.starts_with("maybe")).unwrap_or_default().to_owned()
        },
        |row| row.ends_with("True"),
    );
    assert!(row.contains("Deny (dry run)") && row.contains("Service/server"), "{row}");
    let policy: Value = serde_json::from_str(&mesh.ok(&["get", "ap", "watch", "-n", "shop", "-o", "json"])).unwrap();
    assert_eq!(policy["status"]["ancestors"][0]["conditions"][0]["reason"], "Accepted", "{policy}");
}

/// Where access is allowed by default a policy that allows closes its targets, and one that denies still denies.
fn defaults(mesh: &Mesh) {
    mesh.apply(&mesh_config("defaultAccess: Allow"));
    let get = |from: &str, path: &str| mesh.curl(from, &[&format!("http://server.shop{path}")]).status;
    for name in ["watch", "maybe", "front"] {
        mesh.delete(&policy(name, "rules: []"));
    }
    wait::until("it is open", || get("dark/thief", "/any"), |status| *status == 200);
    assert_eq!(get("front/batch", "/any"), 403, "still denied");
    mesh.apply(&policy("front", "rules: [{ from: [{ namespaces: [front] }] }]"));
    wait::until("it is closed", || get("dark/thief", "/any"), |status| *status == 403);
    assert_eq!(get("front/web", "/any"), 200);
}
