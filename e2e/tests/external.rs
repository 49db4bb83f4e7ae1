//! AccessPolicies that ask somebody else: a gRPC service on grpcio, and a server of plain HTTP.

use e2e::{
    Mesh,
    manifest::{Echo, HTTP, client, mesh_config, meshed_namespace, service},
    mesh::top,
    wait,
};

/// A pod that decides; `port` is where.
fn authorizer(name: &str, script: &str, port: u16) -> String {
    let path = top().join("e2e/clients").join(script).display().to_string();
    let pod = format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{ name: {name}, namespace: shop, labels: {{ app: {name} }} }}\nspec:\n  \
         terminationGracePeriodSeconds: 1\n  containers:\n    - name: it\n      image: python\n      \
         command: [python3, {path}, \"{port}\"]\n      \
         readinessProbe: {{ tcpSocket: {{ port: {port} }}, periodSeconds: 1 }}\n"
    );
    pod + &service("shop", name, name, &[&format!("{{ name: web, port: 80, targetPort: {port}, appProtocol: APP }}")])
}

fn policy(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: policy.leno.dev/v1alpha1\nkind: AccessPolicy\nmetadata: {{ name: {name}, namespace: shop }}\n\
         spec: {{ targetRefs: [{{ kind: Service, name: server }}], {spec} }}\n"
    )
}

fn mesh(authorizer: &str) -> Mesh {
    let shop = meshed_namespace("shop")
        + &client("shop", "web", "")
        + &Echo::new("shop", "server").yaml()
        + &service("shop", "server", "server", &[HTTP, "{ name: any, port: 9000 }"])
        + authorizer;
    Mesh::up(&[shop, mesh_config("defaultAccess: Allow")])
}

/// Calls with a user, and says what the application saw of it.
fn call(mesh: &Mesh, user: &str, path: &str, more: &[&str]) -> e2e::mesh::Reply {
    let (user, url) = (format!("x-user: {user}"), format!("http://server.shop{path}"));
    mesh.curl("shop/web", &[&["-H", &user, "-H", "x-role: forged", &url], more].concat())
}

#[test]
#[ignore = "needs grpcio: cargo xtask test"]
fn a_grpc_service_decides_about_some_requests() {
    let mesh = mesh(&authorizer("auth", "ext_authz_grpc.py", 9191).replace("APP", "kubernetes.io/h2c"));
    let external = "external: { service: { name: auth, port: 80 }, timeout: 5s, forwardBody: { maxSize: 64 } }";
    let asked = |more: &str| {
        policy(
            "ask",
            &format!("action: External, {external}, rules: [{{ to: [{{ path: {{ prefix: /asked }} }}] }}]{more}"),
        )
    };
    mesh.apply(&asked(""));
    let refused = wait::until("it decides", || call(&mesh, "me", "/asked", &[]), |reply| reply.status == 401);
    assert_eq!(refused.body, "who are you?", "its own answer");
    assert_eq!(call(&mesh, "me", "/other", &[]).status, 200, "this it is not asked about");
    let seen = call(&mesh, "root", "/asked", &["-d", "a secret body"]);
    assert_eq!(seen.status, 200, "{seen:?}");
    let header = |name: &str| seen.json()["headers"][name].to_string();
    assert!(header("x-role").contains("admin") && !header("x-role").contains("forged"), "{seen:?}");
    assert!(header("x-body").contains("told"), "{seen:?}");
    let bytes = mesh.tcp("shop/web", "server.shop", 9000, "bytes");
    assert_eq!(bytes, "", "what claims to be bytes may be such a request");

    // What others refuse it is not asked about, or it would answer with 401; and what it lets in others may refuse.
    let deny = policy("deny", "action: Deny, rules: [{ to: [{ path: { prefix: /asked/never } }] }]");
    assert_eq!(call(&mesh, "me", "/asked/never", &[]).status, 401);
    mesh.apply(&deny);
    wait::until("it is denied", || call(&mesh, "root", "/asked/never", &[]).status, |status| *status == 403);
    assert_eq!(call(&mesh, "me", "/asked/never", &[]).status, 403);
    mesh.delete(&deny);

    // Only tried out: nothing is refused, and what would be is counted.
    mesh.apply(&asked(", dryRun: true"));
    wait::until("nothing is refused", || call(&mesh, "me", "/asked", &[]).status, |status| *status == 200);
    let counted = || {
        String::from_utf8_lossy(&mesh.exec("shop/server", &["curl", "-s", "localhost:15020/stats/prometheus"]).stdout)
            .into_owned()
    };
    wait::until("it is counted", counted, |text| text.contains("leno_shadow_denied_total{"));

    let text = mesh.ok(&["explain", "--from", "shop/web", "--to", "server:80", "--path", "/asked"]);
    assert!(text.contains("AccessPolicy shop/ask") && text.contains("outbound/shop/auth:80"), "{text}");
    let text = mesh.ok(&["explain", "--from", "shop/web", "--to", "server:80", "--path", "/other"]);
    assert!(!text.contains("outbound/shop/auth:80"), "{text}");
}

#[test]
fn an_http_service_decides_and_what_happens_without_it_is_said() {
    let mesh = mesh(&authorizer("auth", "ext_authz_http.py", 8088).replace("APP", "http"));
    let ask = |port: u16, more: &str| {
        policy(
            "ask",
            &format!(
                "action: External, rules: [{{}}], external: {{ service: {{ name: auth, port: {port} }}, protocol: HTTP, \
                 path: /check, allowedHeaders: [x-user], allowedResponseHeaders: [x-role], timeout: 5s{more} }}"
            ),
        )
    };
    mesh.apply(&ask(80, ""));
    let refused = wait::until("it decides", || call(&mesh, "me", "/a", &[]), |reply| reply.status == 401);
    assert_eq!(refused.body, "who are you?", "its own answer");
    let seen = call(&mesh, "root", "/a", &[]);
    assert_eq!(seen.status, 200, "{seen:?}");
    let headers = &seen.json()["headers"];
    assert!(headers["x-role"].to_string().contains("admin"), "{seen:?}");
    assert!(headers["x-asked"].is_null(), "this is not passed on: {seen:?}");
    assert_eq!(mesh.tcp("shop/web", "server.shop", 9000, "bytes"), "", "nobody can be asked about bytes");

    // Nobody is there: refused, unless it is said otherwise.
    mesh.apply(&ask(81, ""));
    wait::until("nobody decides", || call(&mesh, "root", "/a", &[]).status, |status| *status == 403);
    let notes = mesh.ok(&["get", "accesspolicies", "-n", "shop"]);
    assert!(notes.contains("External"), "{notes}");
    mesh.apply(&ask(81, ", onError: Allow"));
    wait::until("they pass", || call(&mesh, "me", "/a", &[]).status, |status| *status == 200);
}
