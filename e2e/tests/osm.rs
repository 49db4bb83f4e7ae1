//! Open Service Mesh's own end-to-end tests, carried over by name (its folder `tests/e2e`). What it did on a cluster
//! happens here under `leno up`.

use e2e::{
    Mesh,
    manifest::{
        Echo, HTTP, SERVER_FIRST, TCP, allow_http, allow_tcp, client, mesh_config, meshed_namespace,
        nginx_configuration, plain_namespace, rate_limit_service, service, service_account, service_with,
        traffic_split,
    },
    wait,
};

/// A client and a server with HTTP and TCP ports, in two namespaces, no policy yet.
fn pair() -> Vec<String> {
    vec![
        meshed_namespace("source") + &client("source", "client", ""),
        meshed_namespace("destination")
            + &Echo::new("destination", "server").yaml()
            + &service("destination", "server", "server", &[HTTP, TCP, SERVER_FIRST]),
    ]
}

const URL: &str = "http://server.destination/";

fn allow() -> String {
    allow_http("destination/server", ".*", "\"*\"", &["source/client"])
}

/// 2, `client_server_connectivity`: with a Service of the source, without one, bound to the pod's address, headless.
#[test]
fn client_server_connectivity() {
    let mut bound = Echo::new("destination", "bound");
    bound.bind = "$(POD_IP)";
    let manifests = [
        meshed_namespace("source")
            + &client("source", "client", "")
            + &client("source", "served", "")
            + &service("source", "served", "served", &["{ name: http, port: 80 }"]),
        meshed_namespace("destination")
            + &Echo::new("destination", "server").yaml()
            + &service("destination", "server", "server", &[HTTP])
            + &service_with(
                "destination",
                "headless",
                "app: server",
                "clusterIP: None",
                &["{ name: http, port: 8080 }"],
            )
            + &bound.yaml()
            + &service("destination", "bound", "bound", &[HTTP]),
    ];
    let mesh = Mesh::up(&manifests);
    let cases = [
        ("source/client", "http://server.destination/"),
        ("source/served", "http://server.destination/"),
        ("source/client", "http://bound.destination/"),
        ("source/client", "http://headless.destination:8080/"),
    ];
    for (from, url) in cases {
        assert_eq!(mesh.curl(from, &[url]).status, 403, "{from} → {url} before any policy");
    }
    let sources = ["source/client", "source/served"];
    let policies = allow_http("destination/server", ".*", "\"*\"", &sources)
        + &allow_http("destination/bound", ".*", "\"*\"", &sources);
    mesh.apply(&policies);
    for (from, url) in cases {
        mesh.curl_until(from, &[url], 200);
    }
    mesh.delete(&policies);
    for (from, url) in cases {
        mesh.curl_until(from, &[url], 403);
    }
}

/// 3, `controller_restart`: twenty answers in a row while the control plane is killed and comes back.
#[test]
fn controller_restart() {
    let mesh = Mesh::up(&[pair().concat(), allow()]);
    mesh.curl_until("source/client", &[URL], 200);
    kill_control(&mesh);
    for number in 0..20 {
        assert_eq!(mesh.curl("source/client", &[URL]).status, 200, "call {number} after the control plane died");
    }
    wait::until("the control plane is back", || mesh.view()["control_ready"].clone(), |ready| *ready == true);
    mesh.delete(&allow());
    mesh.curl_until("source/client", &[URL], 403);
}

/// Kills the control plane's process.
fn kill_control(mesh: &Mesh) {
    // SAFETY: plain system call on a process that this test's own mesh started.
    assert_eq!(unsafe { libc::kill(control_process(mesh), libc::SIGKILL) }, 0);
}

/// The control plane's process, found by its command line among the descendants of the test's own mesh.
pub(crate) fn control_process(mesh: &Mesh) -> libc::pid_t {
    let listed = std::process::Command::new("ps").args(["-eo", "pid,ppid,args"]).output().expect("ps runs");
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let mut parents = std::collections::HashMap::new();
    let mut candidates = Vec::new();
    for line in listed.lines().skip(1) {
        let mut words = line.split_whitespace();
        let (Some(pid), Some(parent)) = (words.next(), words.next()) else {
            continue;
        };
        let (Ok(pid), Ok(parent)) = (pid.parse::<u32>(), parent.parse::<u32>()) else {
            continue;
        };
        parents.insert(pid, parent);
        let arguments: Vec<_> = words.collect();
        if arguments.first().is_some_and(|program| program.ends_with("leno")) && arguments.contains(&"control") {
            candidates.push(pid);
        }
    }
    let ours = |pid: &u32| {
        let mut pid = *pid;
        while let Some(parent) = parents.get(&pid) {
            if *parent == mesh.pid() {
                return true;
            }
            pid = *parent;
        }
        false
    };
    let control =
        candidates.into_iter().find(ours).unwrap_or_else(|| panic!("no control plane of this mesh in\n{listed}"));
    libc::pid_t::try_from(control).expect("a process id")
}

/// 5 and 6, `deployment_client_headless_server` and `deployment_client_server`: every pod is seen.
#[test]
fn deployment_client_server_and_headless() {
    let mut server = Echo::new("destination", "server");
    server.replicas = 3;
    let manifests = [
        meshed_namespace("source") + &client("source", "one", "") + &client("source", "two", ""),
        meshed_namespace("destination")
            + &server.yaml()
            + &service("destination", "server", "server", &[HTTP])
            + &service_with(
                "destination",
                "headless",
                "app: server",
                "clusterIP: None",
                &["{ name: http, port: 8080 }"],
            ),
        allow_http("destination/server", ".*", "\"*\"", &["source/one", "source/two"]),
    ];
    let mesh = Mesh::up(&manifests);
    for from in ["source/one", "source/two"] {
        for url in ["http://server.destination/", "http://headless.destination:8080/"] {
            let mut seen = std::collections::BTreeSet::new();
            wait::until(
                &format!("{from} sees every pod of {url}"),
                || {
                    let reply = mesh.curl(from, &[url]);
                    assert_eq!(reply.status, 200, "{from} → {url}: {reply:?}");
                    seen.insert(reply.pod());
                    seen.clone()
                },
                |seen| seen.len() == 3,
            );
        }
    }
}

/// 14, `grpc_insecure_origination`: gRPC without TLS of its own is allowed by HTTP rules, and refused without them.
#[test]
#[ignore = "needs grpcio: cargo xtask test"]
fn grpc_insecure_origination() {
    let policy = allow_http("destination/server", "/echo.Echo/Unary", "POST", &["source/client"]);
    let grpc = "{ name: calls, port: 7070, targetPort: 8080, appProtocol: grpc }";
    let manifests = [
        meshed_namespace("source") + &client("source", "client", ""),
        meshed_namespace("destination")
            + &Echo::new("destination", "server").yaml()
            + &service("destination", "server", "server", &[grpc]),
        policy.clone(),
    ];
    let mesh = Mesh::up(&manifests);
    let script = e2e::mesh::top().join("e2e/clients/grpc_call.py").display().to_string();
    let call = || {
        let output = mesh.exec("source/client", &["python3", &script, "server.destination:7070"]);
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let _allowed = wait::until("the call is answered", call, |status| status == "OK");
    mesh.delete(&policy);
    let _refused = wait::until("the call is refused", call, |status| status == "PERMISSION_DENIED");
}

/// 15, `grpc_secure_origination`: the application's own TLS passes under a TCPRoute as it is.
#[test]
fn tls_of_the_application_passes_as_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let certificate = folder.path().join("cert.pem");
    let key = folder.path().join("key.pem");
    let made = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"])
        .args(["-subj", "/CN=app", "-addext", "subjectAltName=DNS:server.destination", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .expect("openssl runs");
    assert!(made.status.success(), "{made:?}");
    let server = format!(
        "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {{ name: server, namespace: destination }}\n\
         ---\napiVersion: v1\nkind: Pod\nmetadata: {{ name: server, namespace: destination, labels: {{ app: server }} }}\n\
         spec:\n  serviceAccountName: server\n  containers:\n    - name: tls\n      image: openssl\n      command: \
         [\"openssl\", \"s_server\", \"-accept\", \"8443\", \"-cert\", \"{}\", \"-key\", \"{}\", \"-www\", \"-quiet\"]\n      \
         readinessProbe: {{ tcpSocket: {{ port: 8443 }}, periodSeconds: 1 }}\n",
        certificate.display(),
        key.display()
    );
    let policy = allow_tcp("destination/server", "8443", &["source/client"]);
    let manifests = [
        meshed_namespace("source") + &client("source", "client", ""),
        meshed_namespace("destination")
            + &server
            + &service("destination", "server", "server", &["{ name: https, port: 443, targetPort: 8443 }"]),
        policy.clone(),
    ];
    let mesh = Mesh::up(&manifests);
    let authority = certificate.display().to_string();
    let call = ["--cacert", authority.as_str(), "https://server.destination/"];
    mesh.curl_until("source/client", &call, 200);
    mesh.delete(&policy);
    mesh.curl_until("source/client", &call, 0);
}

/// 17, `health_probe`: pods with http, tcp and exec probes become ready; a wrong port stays not ready.
#[test]
fn health_probe() {
    let pod = |name: &str, probe: &str| {
        format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{ name: {name}, namespace: probes, labels: {{ app: {name} }} }}\nspec:\n  \
             containers:\n    - name: echo\n      image: leno:latest\n      command: [\"leno\", \"demo\", \"echo\", \"serve\", \
             \"--http\", \"8080\", \"--tcp\", \"9000\"]\n      startupProbe: {probe}\n      livenessProbe: {probe}\n      \
             readinessProbe: {probe}\n    - name: second\n      image: leno:latest\n      command: [\"sleep\", \"infinity\"]\n"
        )
    };
    let manifests = [meshed_namespace("probes")
        + &pod("http", "{ httpGet: { path: /status/204, port: 8080 }, periodSeconds: 1 }")
        + &pod("tcp", "{ tcpSocket: { port: 9000 }, periodSeconds: 1 }")
        + &pod("exec", "{ exec: { command: [\"true\"] }, periodSeconds: 1 }")
        + &pod("wrong", "{ tcpSocket: { port: 9999 }, periodSeconds: 1, failureThreshold: 100 }")];
    let mesh = Mesh::start(&manifests, &[]);
    let ready = || {
        let view = mesh.leno(&["--json", "ps"]);
        let view: serde_json::Value = serde_json::from_slice(&view.stdout).unwrap_or_default();
        let pods = view["pods"].as_array().cloned().unwrap_or_default();
        let ready = pods.iter().filter(|pod| pod["ready"] == pod["containers"] && pod["status"] == "Running");
        ready.filter_map(|pod| pod["name"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    let ready = wait::until("three pods are ready", ready, |ready| ready.len() >= 3);
    assert_eq!(ready, ["exec", "http", "tcp"]);
}

/// 22 and 31, `ip_exclusion` and `port_exclusion`: what is excluded goes around the sidecar.
#[test]
fn ip_and_port_exclusion() {
    let manifests = [
        meshed_namespace("source")
            + &client("source", "client", "")
            + &client("source", "around", "leno.dev/exclude-outbound-ip-ranges: \"10.244.0.0/16,10.96.0.0/16\"")
            + &client("source", "port", "leno.dev/exclude-outbound-ports: \"80\""),
        plain_namespace("plain")
            + &Echo::new("plain", "server").yaml()
            + &service("plain", "server", "server", &[HTTP]),
        meshed_namespace("destination")
            + &Echo::new("destination", "server").yaml()
            + &service("destination", "server", "server", &[HTTP]),
        mesh_config("outboundPolicy: RegistryOnly"),
        allow_http("destination/server", ".*", "\"*\"", &["source/client", "source/around", "source/port"]),
    ];
    let mesh = Mesh::up(&manifests);
    mesh.curl_until("source/client", &[URL], 200);
    for from in ["source/around", "source/port"] {
        mesh.curl_until(from, &["http://server.plain/"], 200);
        // Around its sidecar a client has no identity: a strict server refuses it.
        assert_eq!(mesh.curl(from, &[URL]).status, 0, "{from} reached a strict server without its sidecar");
    }
}

/// 26, `multiple_ports_per_service`: port ≠ targetPort, two ports, ten answers in a row.
#[test]
fn multiple_ports_per_service() {
    let manifests = [
        pair()[0].clone(),
        meshed_namespace("destination")
            + &Echo::new("destination", "server").yaml()
            + &service(
                "destination",
                "server",
                "server",
                &["{ name: http-a, port: 80, targetPort: 8080 }", "{ name: http-b, port: 90, targetPort: 8080 }"],
            ),
        allow(),
    ];
    let mesh = Mesh::up(&manifests);
    for port in [80, 90] {
        let url = format!("http://server.destination:{port}/");
        mesh.curl_until("source/client", &[&url], 200);
        for _ in 0..10 {
            assert_eq!(mesh.curl("source/client", &[&url]).status, 200, "{url}");
        }
    }
}

/// 27, `multiple_services_per_pod`: both services reach the pod.
#[test]
fn multiple_services_per_pod() {
    let manifests = [
        pair()[0].clone(),
        meshed_namespace("destination")
            + &Echo::new("destination", "server").yaml()
            + &service("destination", "first", "server", &[HTTP])
            + &service("destination", "second", "server", &["{ name: http, port: 81, targetPort: 8080 }"]),
        allow(),
    ];
    let mesh = Mesh::up(&manifests);
    mesh.curl_until("source/client", &["http://first.destination/"], 200);
    mesh.curl_until("source/client", &["http://second.destination:81/"], 200);
}

/// 29 and 21, `permissive_smi_switching`, on the default `MeshConfig`: the switch works while traffic flows.
#[test]
fn permissive_smi_switching() {
    let mesh = Mesh::up(&pair());
    assert_eq!(mesh.curl("source/client", &[URL]).status, 403);
    mesh.apply(&mesh_config("defaultAccess: Allow"));
    mesh.curl_until("source/client", &[URL], 200);
    mesh.apply(&mesh_config("defaultAccess: Deny"));
    mesh.curl_until("source/client", &[URL], 403);
    mesh.apply(&mesh_config("defaultAccess: Allow"));
    mesh.curl_until("source/client", &[URL], 200);
    mesh.apply(&allow());
    mesh.apply(&mesh_config("defaultAccess: Deny"));
    mesh.curl_until("source/client", &[URL], 200);
}

/// 30, `permissive`: with default allow a meshed client is served and an unmeshed one still refused (mutual TLS is
/// strict); permissive TLS lets it in; off again refuses it.
#[test]
fn permissive() {
    let manifests = [
        pair().concat(),
        plain_namespace("plain") + &client("plain", "client", ""),
        mesh_config("defaultAccess: Allow"),
    ];
    let mesh = Mesh::up(&manifests);
    mesh.curl_until("source/client", &[URL], 200);
    let refused = mesh.curl("plain/client", &[URL]);
    assert_eq!((refused.status, refused.exit != 0), (0, true), "an unmeshed client: {refused:?}");
    mesh.apply(&mesh_config("defaultAccess: Allow, mtls: Permissive"));
    mesh.curl_until("plain/client", &[URL], 200);
    mesh.apply(&mesh_config("defaultAccess: Allow"));
    mesh.curl_until("plain/client", &[URL], 0);
    mesh.curl_until("source/client", &[URL], 200);
}

/// 35, `smi_traffic_target`: 200 for the path that is allowed, 403 for another identity; a target outside the
/// destination's namespace gives nothing.
#[test]
fn smi_traffic_target() {
    let mut manifests = pair();
    manifests.push(client("source", "other", ""));
    manifests.push(allow_http("destination/server", "/anything", "GET", &["source/client"]));
    let mesh = Mesh::up(&manifests);
    mesh.curl_until("source/client", &["http://server.destination/anything"], 200);
    assert_eq!(mesh.curl("source/client", &["http://server.destination/foo"]).status, 403);
    assert_eq!(mesh.curl("source/client", &["-X", "POST", "http://server.destination/anything"]).status, 403);
    assert_eq!(mesh.curl("source/other", &["http://server.destination/anything"]).status, 403);
    let elsewhere = allow_http("destination/server", ".*", "\"*\"", &["source/other"])
        .replace("namespace: destination }\nspec:\n  destination", "namespace: source }\nspec:\n  destination");
    mesh.edit("elsewhere.yaml", &elsewhere);
    mesh.remove("03.yaml");
    mesh.curl_until("source/client", &["http://server.destination/anything"], 403);
    assert_eq!(mesh.curl("source/other", &["http://server.destination/anything"]).status, 403);
}

/// 38 and 40, `tcp_client_server` and `tcp_server_first`.
#[test]
fn tcp_client_server_and_server_first() {
    let policy = allow_tcp("destination/server", "9000, 9001", &["source/client"]);
    let mut manifests = pair();
    manifests.push(policy.clone());
    let mesh = Mesh::up(&manifests);
    let echo = || mesh.tcp("source/client", "server.destination", 9000, "hello");
    let _echoed = wait::until("bytes come back", echo, |text| text == "hello");
    let greet = || mesh.tcp("source/client", "server.destination", 9001, "ok");
    let _greeted =
        wait::until("the server speaks first", greet, |text| text.starts_with("HELLO from") && text.ends_with("ok"));
    mesh.delete(&policy);
    let _closed = wait::until("the connection is closed", echo, String::is_empty);
}

/// 41, `trafficsplit_recursive`: the root is a backend of its own split.
#[test]
fn trafficsplit_recursive() {
    let mut manifests = pair();
    manifests.push(allow());
    manifests.push(traffic_split("destination", "server", &["{ service: server, weight: 100 }"]));
    manifests.push(service("destination", "direct", "server", &[HTTP]));
    let mesh = Mesh::up(&manifests);
    mesh.curl_until("source/client", &[URL], 200);
    mesh.curl_until("source/client", &["http://direct.destination/"], 200);
}

/// 42 and 43, `trafficsplit_same_sa` and `trafficsplit`: every pod of every backend is seen, each backend is reachable
/// by its own name too, for HTTP and for TCP.
#[test]
fn trafficsplit() {
    let mut destination = meshed_namespace("destination") + &service_account("destination", "server");
    for name in ["v1", "v2"] {
        let mut server = Echo::new("destination", name);
        server.replicas = 2;
        server.service_account = Some("server");
        server.labels = "root: all";
        destination += &server.yaml();
        destination += &service("destination", name, name, &[HTTP, TCP]);
    }
    destination += &service_with("destination", "server", "root: all", "", &[HTTP, TCP]);
    let manifests = [
        pair()[0].clone(),
        destination,
        traffic_split("destination", "server", &["{ service: v1, weight: 50 }", "{ service: v2, weight: 50 }"]),
        allow(),
        allow_tcp("destination/server", "9000", &["source/client"]).replace("server-tcp", "server-bytes"),
    ];
    let mesh = Mesh::up(&manifests);
    let mut seen = std::collections::BTreeSet::new();
    wait::until(
        "every pod of both backends is seen",
        || {
            let reply = mesh.curl("source/client", &[URL]);
            assert_eq!(reply.status, 200, "{reply:?}");
            seen.insert(reply.pod());
            seen.clone()
        },
        |seen| seen.len() == 4,
    );
    for name in ["v1", "v2"] {
        let reply = mesh.curl("source/client", &[&format!("http://{name}.destination/")]);
        assert!(reply.status == 200 && reply.pod().starts_with(name), "{name}: {reply:?}");
    }
    assert_eq!(mesh.tcp("source/client", "server.destination", 9000, "split"), "split");
}

/// 13, `global_ratelimit`: by a fixed key, by the caller's address, by a header, by headers that fit; what does not fit is
/// not limited. The service says how often it was too much.
#[test]
fn global_ratelimit() {
    // Windows of a day do not end while the test runs, or almost never.
    let limit = |name: &str, more: &str| format!("{{ name: {name}, requests: 2, per: Day, {more} }}");
    let policy = format!(
        "---\napiVersion: policy.leno.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {{ name: limits, namespace: destination }}\n\
         spec:\n  targetRefs: [{{ kind: Service, name: server }}]\n  globalRateLimit:\n    \
         service: {{ name: limits, port: 8081 }}\n    timeout: 1s\n    limits:\n    - {}\n    - {}\n    - {}\n    - {}\n",
        limit("generic", "match: { path: { exact: /generic } }"),
        limit("address", "match: { path: { exact: /address } }, by: [{ remoteAddress: true }]"),
        limit("header", "match: { path: { exact: /header } }, by: [{ header: x-key }]"),
        limit("fits", "match: { path: { exact: /fits }, headers: [{ name: x-kind, exact: limited }] }"),
    );
    let mut manifests = pair();
    manifests[1] += &(rate_limit_service("destination") + &policy);
    manifests.push(client("source", "other", ""));
    manifests.push(mesh_config("defaultAccess: Allow"));
    let mesh = Mesh::up(&manifests);
    mesh.curl_until("source/client", &[URL], 200);
    let call = |from: &str, path: &str, header: &str| {
        mesh.curl(&format!("source/{from}"), &["-H", header, &format!("{URL}{path}")]).status
    };
    let three = |from: &str, path: &str, header: &str| [(); 3].map(|()| call(from, path, header));
    assert_eq!(three("client", "generic", "a: b"), [200, 200, 429]);
    assert_eq!(call("other", "generic", "a: b"), 429, "it is one limit for all");
    assert_eq!(three("client", "address", "a: b"), [200, 200, 429]);
    assert_eq!(call("other", "address", "a: b"), 200, "another address");
    assert_eq!(three("client", "header", "x-key: one"), [200, 200, 429]);
    assert_eq!(call("client", "header", "x-key: two"), 200, "another value");
    assert_eq!(three("client", "header", "a: b"), [200; 3], "without the header there is no limit");
    assert_eq!(three("client", "fits", "x-kind: limited"), [200, 200, 429]);
    assert_eq!(three("client", "fits", "x-kind: free"), [200; 3]);
    let pod = format!("destination/{}", mesh.pods("destination/limits").remove(0));
    let counted = mesh.curl(&pod, &["http://127.0.0.1:8080/metrics"]).body;
    let over = counted.lines().find(|line| line.contains("over_limit"));
    assert!(over.is_some_and(|line| line.ends_with(" 5")), "{counted}");
}

/// 20, `ingressbackend`: who comes in from outside comes through a gateway (nginx with a sidecar), and is let in as that
/// gateway or not at all.
#[test]
#[ignore = "needs nginx: cargo xtask test"]
fn ingressbackend() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().display().to_string();
    let configuration = nginx_configuration(
        &path,
        "location / { proxy_http_version 1.1; proxy_set_header Host server.destination; \
         proxy_pass http://server.destination.svc.cluster.local; }",
    );
    std::fs::write(folder.path().join("nginx.conf"), configuration).expect("a configuration");
    let mut manifests = pair();
    manifests.push(
        meshed_namespace("ingress")
            + &service_account("ingress", "nginx")
            + &format!(
                "---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: nginx\n  namespace: ingress\n  labels: {{ app: nginx }}\n  \
                 annotations: {{ leno.dev/exclude-inbound-ports: \"8080\" }}\nspec:\n  serviceAccountName: nginx\n  containers:\n    \
                 - name: nginx\n      image: nginx\n      command: [nginx, -p, \"{path}\", -e, stderr, -c, \"{path}/nginx.conf\"]\n      \
                 readinessProbe: {{ tcpSocket: {{ port: 8080 }}, periodSeconds: 1 }}\n"
            )
            + &service("ingress", "nginx", "nginx", &["{ name: http, port: 80, targetPort: 8080 }"]),
    );
    manifests.push(plain_namespace("outside") + &client("outside", "client", ""));
    let mesh = Mesh::up(&manifests);
    let through = ["http://nginx.ingress/"];
    mesh.curl_until("outside/client", &through, 403);
    let backend = allow_http("destination/server", ".*", "\"*\"", &["ingress/nginx"]);
    mesh.apply(&backend);
    mesh.curl_until("outside/client", &through, 200);
    let direct = mesh.curl("outside/client", &[URL]);
    assert_ne!(direct.status, 200, "by the gateway or not at all: {direct:?}");
    mesh.delete(&backend);
    mesh.curl_until("outside/client", &through, 403);
}

/// 45, `validate_smi_traffic_target`: a target of another namespace is refused before it is applied.
#[test]
fn validate_smi_traffic_target() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("policy.yaml");
    let validate = |text: &str| {
        std::fs::write(&file, text).expect("written");
        let output = std::process::Command::new(e2e::mesh::leno()).arg("validate").arg(&file).output();
        let output = output.expect("leno starts");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (good, said) = validate(&allow());
    assert!(good, "{said}");
    let elsewhere = allow().replace(
        "kind: TrafficTarget\nmetadata: { name: server-http, namespace: destination }",
        "kind: TrafficTarget\nmetadata: { name: server-http, namespace: source }",
    );
    let (good, said) = validate(&elsewhere);
    let why = "spec.destination.namespace is destination, expected the namespace of the TrafficTarget, source";
    assert!(!good && said.replace('"', "").contains(why), "{said}");
}
