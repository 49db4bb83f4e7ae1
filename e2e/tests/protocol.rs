//! What applications speak passes whole: HTTP/1.1, HTTP/2, gRPC, WebSocket, TCP, by real clients and servers.

use e2e::{
    Mesh,
    manifest::{Echo, HTTP, SERVER_FIRST, TCP, client, mesh_config, meshed_namespace, nginx_configuration, service},
};

/// One service with declared protocols, one that declares nothing: everything works on both.
fn mesh() -> Mesh {
    Mesh::up(&[
        meshed_namespace("shop") + &client("shop", "client", ""),
        Echo::new("shop", "server").yaml()
            + &service(
                "shop",
                "declared",
                "server",
                &[
                    "{ name: http, port: 80, targetPort: 8080 }",
                    "{ name: grpc, port: 7070, targetPort: 8080 }",
                    TCP,
                    SERVER_FIRST,
                ],
            )
            + &service(
                "shop",
                "detected",
                "server",
                &[
                    "{ name: a, port: 80, targetPort: 8080 }",
                    "{ name: b, port: 7070, targetPort: 8080 }",
                    "{ name: c, port: 9000 }",
                    "{ name: d, port: 9001 }",
                ],
            ),
        mesh_config("defaultAccess: Allow"),
    ])
}

const SERVICES: [&str; 2] = ["declared", "detected"];

#[test]
fn http1_and_http2_with_prior_knowledge() {
    let mesh = mesh();
    for service in SERVICES {
        let url = format!("http://{service}.shop/some/path?q=1");
        let reply = mesh.curl_until("shop/client", &["-d", "the body", &url], 200).json();
        assert_eq!((&reply["version"], &reply["body"]), (&"HTTP/1.1".into(), &"the body".into()), "{service}");
        assert_eq!(reply["path"], "/some/path?q=1");
        let reply = mesh.curl_until("shop/client", &["--http2-prior-knowledge", "-d", "the body", &url], 200).json();
        assert_eq!((&reply["version"], &reply["body"]), (&"HTTP/2.0".into(), &"the body".into()), "{service}");
        // A body of unknown length, a large one, an empty answer, a HEAD, a waited-for 100.
        let stream = format!("http://{service}.shop/stream");
        let sent = mesh.curl("shop/client", &["-H", "transfer-encoding: chunked", "-d", "chunks", &stream]);
        assert_eq!((sent.status, sent.body.as_str()), (200, "chunks"), "{service}");
        let big = mesh.curl(
            "shop/client",
            &[
                "-o",
                "/dev/null",
                "-w",
                "%{size_download}\n%{http_code}",
                &format!("http://{service}.shop/bytes/5000000"),
            ],
        );
        assert!(big.body.ends_with("5000000"), "{big:?}");
        assert_eq!(mesh.curl("shop/client", &["-I", &url]).status, 200);
        assert_eq!(mesh.curl("shop/client", &[&format!("http://{service}.shop/status/204")]).status, 204);
        let waited = mesh.curl("shop/client", &["-H", "expect: 100-continue", "-d", "waited", &stream]);
        assert_eq!((waited.status, waited.body.as_str()), (200, "waited"));
        assert_eq!(mesh.curl("shop/client", &["--http1.0", &url]).status, 200);
    }
}

#[test]
fn tcp_and_server_first() {
    let mesh = mesh();
    for service in SERVICES {
        let host = format!("{service}.shop");
        assert_eq!(mesh.tcp("shop/client", &host, 9000, "some bytes"), "some bytes", "{service}");
        let greeted = mesh.tcp("shop/client", &host, 9001, "ok");
        assert!(greeted.starts_with("HELLO from server-") && greeted.ends_with("\nok"), "{service}: {greeted:?}");
    }
}

/// Runs a Python script of this folder inside the client pod.
fn python(mesh: &Mesh, script: &str, arguments: &[&str]) {
    let path = e2e::mesh::top().join("e2e/clients").join(script).display().to_string();
    let mut command = vec!["python3", &path];
    command.extend(arguments);
    let output = mesh.exec("shop/client", &command);
    assert!(
        output.status.success(),
        "{script}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
#[ignore = "needs grpcio: cargo xtask test"]
fn grpcio_calls_and_streams() {
    let mesh = mesh();
    for service in SERVICES {
        python(&mesh, "grpc_echo.py", &[&format!("{service}.shop:7070")]);
    }
}

#[test]
#[ignore = "needs websockets: cargo xtask test"]
fn websockets_talk() {
    let mesh = mesh();
    for service in SERVICES {
        python(&mesh, "websocket_echo.py", &[&format!("ws://{service}.shop/ws")]);
    }
}

/// A forward proxy in the mesh: clients of it ask by `CONNECT` for a tunnel, through both sidecars.
#[test]
#[ignore = "needs tinyproxy: cargo xtask test"]
fn connect_tunnels_through_a_forward_proxy() {
    let folder = tempfile::tempdir().expect("a folder");
    let configuration = folder.path().join("tinyproxy.conf");
    std::fs::write(&configuration, "Port 8888\nListen 0.0.0.0\nTimeout 60\nMaxClients 10\n").expect("a file");
    let pod = format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{ name: tunnel, namespace: shop, labels: {{ app: tunnel }} }}\nspec:\n  \
         containers:\n    - name: tunnel\n      image: tinyproxy\n      command: [tinyproxy, -d, -c, \"{}\"]\n      \
         readinessProbe: {{ tcpSocket: {{ port: 8888 }}, periodSeconds: 1 }}\n",
        configuration.display()
    );
    let manifests = [
        meshed_namespace("shop") + &client("shop", "client", ""),
        pod + &service("shop", "tunnel", "tunnel", &["{ name: http-proxy, port: 3128, targetPort: 8888 }"]),
        Echo::new("shop", "server").yaml() + &service("shop", "server", "server", &[HTTP]),
        mesh_config("defaultAccess: Allow"),
    ];
    let mesh = Mesh::up(&manifests);
    mesh.curl_until("shop/client", &["http://server.shop/"], 200);
    let through = ["--proxytunnel", "--proxy", "http://tunnel.shop:3128", "http://server.shop/"];
    let answer = mesh.curl_until("shop/client", &through, 200);
    assert!(answer.body.contains("server"), "{answer:?}");
}

#[test]
#[ignore = "needs nginx and redis: cargo xtask test"]
fn nginx_and_redis_serve() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().display().to_string();
    std::fs::write(folder.path().join("index.html"), "served by nginx").expect("a page");
    let configuration = nginx_configuration(&path, &format!("root {path};"));
    std::fs::write(folder.path().join("nginx.conf"), configuration).expect("a configuration");
    let pod = |name: &str, command: &str, port: u16| {
        format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{ name: {name}, namespace: shop, labels: {{ app: {name} }} }}\nspec:\n  \
             containers:\n    - name: {name}\n      image: {name}\n      command: [{command}]\n      \
             readinessProbe: {{ tcpSocket: {{ port: {port} }}, periodSeconds: 1 }}\n"
        )
    };
    let nginx = format!("nginx, -p, \"{path}\", -e, stderr, -c, \"{path}/nginx.conf\"");
    let manifests = [
        meshed_namespace("shop") + &client("shop", "client", ""),
        pod("nginx", &nginx, 8080) + &service("shop", "nginx", "nginx", &["{ name: web, port: 80, targetPort: 8080 }"]),
        pod(
            "redis",
            &format!("redis-server, --protected-mode, \"no\", --port, \"6379\", --dir, \"{path}\", --save, \"\""),
            6379,
        ) + &service("shop", "redis", "redis", &["{ name: store, port: 6379 }"]),
        mesh_config("defaultAccess: Allow"),
    ];
    let mesh = Mesh::up(&manifests);
    let page = mesh.curl_until("shop/client", &["http://nginx.shop/"], 200);
    assert_eq!(page.body, "served by nginx");
    let set = mesh.exec("shop/client", &["redis-cli", "-h", "redis.shop", "set", "key", "value"]);
    assert_eq!(String::from_utf8_lossy(&set.stdout), "OK\n", "{set:?}");
    let get = mesh.exec("shop/client", &["redis-cli", "-h", "redis.shop", "get", "key"]);
    assert_eq!(String::from_utf8_lossy(&get.stdout), "value\n", "{get:?}");
}
