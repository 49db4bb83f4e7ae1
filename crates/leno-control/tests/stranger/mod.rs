//! Clients that others wrote: Envoy, which asks for everything, and gRPC, which asks by name.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use crate::world::{World, get, within};

/// Ends a process with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A service of two ports with one endpoint on this machine.
fn local(grpc_port: u16) -> String {
    format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: local, namespace: shop}}
spec: {{serviceAccountName: cart, containers: [{{name: c, image: x}}]}}
status: {{phase: Running, podIP: 127.0.0.1, podIPs: [{{ip: 127.0.0.1}}], conditions: [{{type: Ready, status: "True"}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: who, namespace: shop}}
spec: {{clusterIP: 10.96.0.8, ports: [{{name: grpc, port: 50051}}, {{name: tcp, port: 7}}, {{name: other, port: 8}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: who-x, namespace: shop, labels: {{kubernetes.io/service-name: who}}}}
addressType: IPv4
ports: [{{name: grpc, port: {grpc_port}}}, {{name: tcp, port: {grpc_port}}}, {{name: other, port: {grpc_port}}}]
endpoints:
- {{addresses: [127.0.0.1], conditions: {{ready: true}}, targetRef: {{kind: Pod, name: local, namespace: shop}}}}
"#
    )
}

async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    within(what, async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

mod grpc {
    use super::*;

    struct Caller {
        _process: Process,
        ports: Vec<u16>,
        targets: ChildStdin,
        answers: BufReader<ChildStdout>,
    }

    impl Caller {
        fn start(world: &World) -> Self {
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stranger/call.py");
            let bootstrap = serde_json::json!({
                "xds_servers": [{
                    "server_uri": world.running.ports.plaintext_xds.to_string(),
                    "channel_creds": [{ "type": "insecure" }],
                    "server_features": ["xds_v3"],
                }],
                "node": { "id": "shop/caller", "cluster": "caller" },
            });
            let mut command = Command::new("python3");
            command.arg(script).env("GRPC_XDS_BOOTSTRAP_CONFIG", bootstrap.to_string());
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let (targets, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
            let mut caller =
                Self { _process: Process(child), ports: Vec::new(), targets, answers: BufReader::new(answers) };
            caller.ports = caller.line().split(' ').map(|port| port.parse().unwrap()).collect();
            caller
        }

        fn call(&mut self, target: &str) -> String {
            writeln!(self.targets, "{target}").unwrap();
            self.line()
        }

        fn line(&mut self) -> String {
            let mut line = String::new();
            self.answers.read_line(&mut line).unwrap();
            line.trim().to_owned()
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs grpcio: cargo xtask test"]
    async fn a_grpc_client_calls_by_name_and_follows_endpoints() {
        let world = World::start().await;
        let mut caller = Caller::start(&world);
        world.write("who", &local(caller.ports[0]));
        until("the service", async || world.get("/api/mesh").await["services"] == 2).await;
        assert_eq!(caller.call("xds:///who.shop.svc.cluster.local:50051"), "one");
        assert_eq!(caller.call("xds:///who.shop:50051"), "one");
        world.write("who", &local(caller.ports[1]));
        until("the other server", async || caller.call("xds:///who.shop:50051") == "two").await;
        let caller = &world.get("/api/proxies").await[0];
        assert_eq!(
            (&caller["pod"], &caller["protocol"], &caller["refusing"]),
            (&"caller".into(), &"sotw".into(), &false.into())
        );
    }
}

mod envoy {
    use super::*;

    fn bootstrap(world: &World, admin: SocketAddr, api_type: &str) -> serde_json::Value {
        let address =
            |at: SocketAddr| serde_json::json!({ "socket_address": { "address": at.ip(), "port_value": at.port() } });
        let endpoint = serde_json::json!({ "endpoint": { "address": address(world.running.ports.plaintext_xds) } });
        let options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
        serde_json::json!({
            "node": { "id": "test/envoy", "cluster": "test" },
            "admin": { "address": address(admin) },
            "dynamic_resources": {
                "ads_config": {
                    "api_type": api_type,
                    "transport_api_version": "V3",
                    "grpc_services": [{ "envoy_grpc": { "cluster_name": "control" } }],
                },
                "cds_config": { "ads": {}, "resource_api_version": "V3" },
                "lds_config": { "ads": {}, "resource_api_version": "V3" },
            },
            "static_resources": { "clusters": [{
                "name": "control",
                "type": "STATIC",
                "typed_extension_protocol_options": { options: {
                    "@type": format!("type.googleapis.com/{options}"),
                    "explicit_http_config": { "http2_protocol_options": {} },
                }},
                "load_assignment": { "cluster_name": "control", "endpoints": [{ "lb_endpoints": [endpoint] }] },
            }]},
        })
    }

    /// Envoy has to take everything, become ready, follow a change, an addition and a removal, and refuse nothing.
    async fn follows(api_type: &str) {
        let world = World::start().await;
        world.write("who", &local(1111));
        let admin = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let file = world.folder.path().join("envoy.json");
        std::fs::write(&file, bootstrap(&world, admin, api_type).to_string()).unwrap();
        let flags = ["--concurrency", "1", "--use-dynamic-base-id", "--log-level", "error", "-c"];
        let _envoy = Process(Command::new("envoy").args(flags).arg(file).spawn().unwrap());
        let shows = async |path: &str, text: &str| get(admin, path).await.is_some_and(|(_, body)| body.contains(text));
        until("ready", async || shows("/ready", "LIVE").await).await;
        for listener in ["outbound/10.96.0.8:50051", "outbound/10.96.0.8:7", "outbound/10.96.0.7:80"] {
            until(listener, async || shows("/listeners", listener).await).await;
        }
        until("endpoints", async || shows("/clusters", "outbound/shop/who:50051::127.0.0.1:1111::").await).await;
        world.write("who", &local(2222));
        until("other endpoints", async || shows("/clusters", "outbound/shop/who:50051::127.0.0.1:2222::").await).await;
        world.write("more", "{apiVersion: v1, kind: Service, metadata: {name: more, namespace: shop}, spec: {clusterIP: 10.96.0.9, ports: [{name: http, port: 80}]}}");
        until("a new service", async || shows("/listeners", "outbound/10.96.0.9:80").await).await;
        world.delete("more");
        until("its end", async || !shows("/listeners", "10.96.0.9").await && !shows("/clusters", "shop/more").await)
            .await;
        until("all acknowledged", async || {
            let proxies = world.get("/api/proxies").await;
            proxies.as_array().unwrap().iter().any(|proxy| proxy["pod"] == "envoy" && proxy["stale"] == false)
        })
        .await;
        let (_, stats) = get(admin, "/stats?filter=update_rejected").await.unwrap();
        // Lines without a colon are the sizes of chunks.
        assert!(stats.lines().filter(|line| line.contains(": ")).all(|line| line.ends_with(": 0")), "{stats}");
        assert!(!world.metrics().await.contains("leno_control_nacks_total{"));
    }

    /// One after the other: both bind the port of the outbound listener.
    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs envoy: cargo xtask test"]
    async fn envoy_takes_all_that_it_is_told_in_both_protocols() {
        follows("DELTA_GRPC").await;
        follows("GRPC").await;
    }
}
