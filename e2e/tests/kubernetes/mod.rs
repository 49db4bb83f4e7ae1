//! A real API server: its objects are the mesh.

mod cluster;
mod node;

use std::process::{Child, Output, Stdio};

use e2e::{manifest::allow_http, mesh::leno, wait};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use self::cluster::{Cluster, Pod};

const SHOP: &str = "
apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { leno.dev/inject: enabled } }
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: client, namespace: shop }
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: server-v1, namespace: shop }
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: server-v2, namespace: shop }
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: broken, namespace: shop }
---
apiVersion: v1
kind: Service
metadata: { name: server, namespace: shop }
spec: { selector: { role: server }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
---
apiVersion: v1
kind: Service
metadata: { name: server-v1, namespace: shop }
spec: { selector: { app: server-v1 }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
---
apiVersion: v1
kind: Service
metadata: { name: server-v2, namespace: shop }
spec: { selector: { app: server-v2 }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
---
apiVersion: v1
kind: Service
metadata: { name: broken, namespace: shop }
spec: { selector: { app: broken }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
";

const SPLIT: &str = "
apiVersion: split.smi-spec.io/v1alpha4
kind: TrafficSplit
metadata: { name: server, namespace: shop }
spec:
  service: server
  backends:
    - { service: server-v1, weight: 100 }
    - { service: server-v2, weight: 0 }
";

const ROUTE: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: server, namespace: shop }
spec:
  parentRefs: [{ group: \"\", kind: Service, name: server, port: 80 }]
  rules:
    - backendRefs:
        - { name: server-v2, port: 80, weight: 100 }
        - { name: broken, port: 80, weight: 0 }
";

/// A cluster with a client, and a service of two versions of which the first has all requests.
struct Shop {
    cluster: Cluster,
    client: Pod,
    _servers: [Pod; 2],
    url: String,
}

impl Shop {
    fn open() -> Self {
        let mut cluster = Cluster::start();
        cluster.apply(SHOP);
        cluster.start_control();
        let client = cluster.pod("client", 10, "client", &[]);
        let servers =
            [cluster.pod("server-v1-0", 11, "server-v1", &[]), cluster.pod("server-v2-0", 12, "server-v2", &[])];
        let [first, second] = &servers;
        cluster.endpoints("server", &[first, second]);
        cluster.endpoints("server-v1", &[first]);
        cluster.endpoints("server-v2", &[second]);
        let url = format!("http://{}/", cluster.address("server"));
        Self { cluster, client, _servers: servers, url }
    }

    fn until_answers(&self, status: &str, pod: &str) {
        let wanted = (status.to_owned(), pod.to_owned());
        wait::until("the client is answered so", || self.client.ask(&self.url), |seen| *seen == wanted);
    }

    /// Lets the client call both versions, and shows that nobody could before.
    fn allow(&self) {
        self.until_answers("403", "");
        for server in ["server-v1", "server-v2"] {
            self.cluster.apply(&allow_http(&format!("shop/{server}"), "/.*", "GET", &["shop/client"]));
        }
        self.cluster.apply(SPLIT);
        self.until_answers("200", "server-v1-0");
    }

    fn split_weights(&self) -> Vec<u64> {
        let split = self.cluster.get("shop", "trafficsplit/server");
        let backends = split["spec"]["backends"].as_array().expect("a list");
        backends.iter().map(|backend| backend["weight"].as_u64().expect("a weight")).collect()
    }

    /// The exit code of a rollout, with the rights that `deploy/rbac` gives it, and what it said.
    fn rollout(&self, flags: &[&str]) -> (Option<i32>, String) {
        let mut command = self.cluster.node.command(leno());
        command.arg("rollout").args(flags).args(["-n", "shop", "--steps", "50,100", "--interval", "6s"]);
        command.args(["--kubernetes", "--kubeconfig"]).arg(self.cluster.path("rollout.kubeconfig"));
        let Output { status, stdout, stderr } = command.output().expect("it runs");
        (status.code(), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
    }

    /// The client calls without pause.
    fn load(&self) -> Load {
        let mut command = self.client.command(&leno().display().to_string());
        command.args(["demo", "echo", "load", &self.url, "--clients", "2", "--every", "10"]);
        Load(Some(command.stdout(Stdio::piped()).spawn().expect("the load starts")))
    }
}

/// A client that counts its answers.
struct Load(Option<Child>);

impl Load {
    /// Ends it, and gives what it counted.
    fn end(mut self) -> Value {
        let child = self.0.take().expect("it ends once");
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a process");
        kill_process(pid, Signal::TERM).expect("it runs still");
        let output = child.wait_with_output().expect("it ends");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            // It may have ended already.
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// What people apply with kubectl decides, within seconds, what sidecars let through, and to whom; it stays in force while the
/// API server is away.
#[test]
#[ignore = "needs a kube-apiserver: cargo xtask test"]
fn the_objects_of_an_api_server_are_the_mesh() {
    let mut shop = Shop::open();
    shop.allow();

    // The API server stores what its schemas allow once nobody is asked: the good version stays in force, and the control
    // plane says why.
    shop.cluster.kubectl(&["delete", "validatingwebhookconfiguration", "leno"]);
    let group = allow_http("shop/server-v1", "/.*", "GET", &["shop/client"]);
    shop.cluster.apply(&group.replace("/.*", "/("));
    let told = || shop.cluster.control("objects/status");
    let wrong = |status: &Value| status["invalid"].to_string().contains("pathRegex");
    wait::until("the control plane says what is wrong", told, wrong);
    shop.until_answers("200", "server-v1-0");
    shop.cluster.apply(&group);
    wait::until("it is mended", told, |status| status["version"].is_u64() && !wrong(status));

    // The API server goes and comes back; what changes then is followed again.
    shop.cluster.stop_api();
    let log = || shop.cluster.log("control");
    wait::until("the control plane notices", log, |log| log.contains("objects are not followed"));
    shop.until_answers("200", "server-v1-0");
    shop.cluster.start_api();
    shop.cluster.apply(&SPLIT.replace("weight: 0", "weight: 10").replace("weight: 100", "weight: 0"));
    shop.until_answers("200", "server-v2-0");
    shop.cluster.kubectl(&["delete", "-n", "shop", "traffictarget", "--all"]);
    shop.until_answers("403", "");
}

/// What `leno validate` refuses is refused before it is stored, with the same words; what is missing is a warning.
#[test]
#[ignore = "needs a kube-apiserver: cargo xtask test"]
fn objects_are_judged_before_they_are_stored() {
    let mut cluster = Cluster::start();
    cluster.apply(SHOP);
    cluster.start_control();
    let group = allow_http("shop/server-v1", "/(", "GET", &["shop/client"]);
    let refused = |(good, said): &(bool, String)| !good && said.contains("spec.matches[0].pathRegex is");
    wait::until("a regular expression is refused", || cluster.try_apply(&group), refused);
    let (good, said) = cluster.try_apply(&SPLIT.replace("server-v1", "server-v3"));
    assert!(good && said.contains("Warning:") && said.contains("server-v3"), "{said}");
    let (good, said) = cluster.try_apply(&SPLIT.replace("service: server\n", "service: elsewhere\n"));
    assert!(good && said.contains("Warning:") && said.contains("elsewhere"), "{said}");
    let (good, said) = cluster.try_apply(ROUTE);
    assert!(good && !said.contains("Warning:"), "{said}");
}

/// The certificate is for whom the API server says that a token is, and only while it is meant for the authority.
#[test]
#[ignore = "needs a kube-apiserver: cargo xtask test"]
fn the_api_server_says_whose_a_token_is() {
    let mut cluster = Cluster::start();
    cluster.apply(SHOP);
    cluster.start_control();
    let pod = cluster.pod("client", 10, "client", &[]);
    let proxies = || cluster.control("proxies");
    let connected = |seen: &Value| seen.as_array().is_some_and(|proxies| proxies.len() == 1);
    let seen = wait::until("the sidecar is connected", proxies, connected).to_string();
    assert!(seen.contains("client"), "{seen}");

    // A token for the API server itself is refused, as is one whose pod is gone.
    let sign = |token: &str| {
        let path = cluster.path("other.token");
        std::fs::write(&path, token).expect("written");
        let log = cluster.path("other.log");
        let mut sidecar = pod.command(&leno().display().to_string());
        sidecar.args(["proxy", "run", "--workload-name", "client", "--workload-namespace", "shop"]);
        sidecar.args(["--service-account", "client", "--workload-ip", "10.244.0.10", "--outbound-port", "25001"]);
        sidecar.args(["--inbound-port", "25006", "--admin-address", "127.0.0.1:25000"]);
        sidecar.args(["--metrics-address", "127.0.0.1:25020", "--control-address", "10.244.0.1:15012"]);
        sidecar.arg("--control-ca").arg(cluster.path("ca/root.pem")).arg("--token-file").arg(&path);
        let _sidecar = node::background(&mut sidecar, &log);
        let read = || std::fs::read_to_string(&log).unwrap_or_default();
        wait::until("the token is refused", read, |log| log.contains("token is refused"))
    };
    let refusals = || cluster.log("control").matches("token is refused").count();
    assert_eq!(refusals(), 0, "the sidecar of the pod had a good one");
    let foreign = cluster.kubectl(&["create", "token", "client", "-n", "shop"]);
    let why = sign(&foreign);
    assert!(why.contains("audience"), "{why}");
    let bound = ["--bound-object-kind", "Pod", "--bound-object-name", "client"];
    let token = ["create", "token", "client", "-n", "shop", "--audience", "leno-ca"];
    let token = cluster.kubectl(&[&token[..], &bound[..]].concat());
    cluster.kubectl(&["delete", "pod", "-n", "shop", "client", "--force", "--grace-period=0"]);
    let why = sign(&token);
    assert!(!why.contains("audience"), "{why}");
}

/// A good version gets all requests, step by step, and none is lost; a bad one gives them back.
#[test]
#[ignore = "needs a kube-apiserver: cargo xtask test"]
fn a_rollout_shifts_weights_in_a_cluster() {
    let shop = Shop::open();
    shop.allow();
    let load = shop.load();
    let (code, told) = shop.rollout(&["trafficsplit/server", "--to", "server-v2"]);
    assert_eq!((code, shop.split_weights()), (Some(0), vec![0, 100]), "{told}");
    shop.until_answers("200", "server-v2-0");
    let seen = load.end();
    assert_eq!(seen["statuses"], json!({ "200": seen["answers"] }), "{seen:#}");
    assert!(["server-v1-0", "server-v2-0"].iter().all(|pod| seen["pods"][pod].is_u64()), "{seen:#}");

    // The next version answers with 500; a route of the Gateway API comes before the split.
    let broken = shop.cluster.pod("broken-0", 13, "broken", &["--status", "500"]);
    shop.cluster.endpoints("broken", &[&broken]);
    shop.cluster.apply(&allow_http("shop/broken", "/.*", "GET", &["shop/client"]));
    shop.cluster.apply(ROUTE);
    let load = shop.load();
    let (code, told) = shop.rollout(&["httproute/server", "--to", "broken"]);
    let route = shop.cluster.get("shop", "httproute/server");
    let weight = |backend: usize| route["spec"]["rules"][0]["backendRefs"][backend]["weight"].clone();
    assert_eq!((code, weight(0), weight(1)), (Some(1), json!(100), json!(0)), "{told}");
    assert!(told.contains("failed"), "{told}");
    assert!(load.end()["statuses"]["500"].is_u64());
    shop.until_answers("200", "server-v2-0");
}
