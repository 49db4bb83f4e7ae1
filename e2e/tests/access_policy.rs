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
