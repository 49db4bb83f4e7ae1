//! A real API server with its etcd, the definitions of all kinds, and a control plane that follows it. There is no kubelet,
//! scheduler or controller: the test places pods and lists endpoints itself.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use e2e::{mesh::leno, wait};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::node::{ADDRESS, Holder, Node, Process, background, entering, succeed};

/// The token of whoever may do everything.
const ADMIN: &str = "admin-token";

/// A cluster with a mesh.
pub(super) struct Cluster {
    // Dropped in this order: what writes ends before its folder goes.
    _control: Option<Process>,
    api: Option<Process>,
    _etcd: Process,
    pub(super) node: Node,
    folder: TempDir,
}

/// A pod that runs.
pub(super) struct Pod {
    pub(super) name: String,
    pub(super) address: String,
    network: Holder,
    _processes: Vec<Process>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

impl Cluster {
    /// An API server that knows SMI, the Gateway API and Leno's own kinds.
    pub(super) fn start() -> Self {
        let (node, folder) = (Node::new(), tempfile::tempdir().expect("a folder"));
        let path = |name: &str| folder.path().join(name);
        let mut command = node.command("etcd");
        command.arg("--data-dir").arg(path("etcd")).args(["--unsafe-no-fsync", "--log-level", "warn"]);
        let etcd = background(&mut command, &path("etcd.log"));
        certificates(folder.path());
        fs::write(path("tokens.csv"), format!("{ADMIN},admin,admin,system:masters\n")).expect("written");
        let mut cluster = Self { node, folder, api: None, _etcd: etcd, _control: None };
        cluster.kubeconfig("admin", ADMIN);
        cluster.start_api();
        cluster.kubectl(&["apply", "-f", &root().join("deploy/crds").display().to_string()]);
        let gateway = root().join("target/go/gateway-api");
        cluster.kubectl(&["apply", "--server-side", "-f", &gateway.display().to_string()]);
        cluster.kubectl(&["wait", "--for", "condition=Established", "crd", "--all", "--timeout=30s"]);
        cluster
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the API server, and waits until it is ready.
    pub(super) fn start_api(&mut self) {
        let mut command = self.node.command("kube-apiserver");
        let flag = |name: &str, file: &str| format!("--{name}={}", self.path(file).display());
        command.args([
            "--etcd-servers=http://127.0.0.1:2379",
            &format!("--bind-address={ADDRESS}"),
            "--secure-port=6443",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--authorization-mode=RBAC",
            "--endpoint-reconciler-type=none",
            // There is no kube-proxy: it has to find the webhook's endpoint itself.
            "--enable-aggregator-routing=true",
            // The controller that gives each namespace its default account does not run.
            "--disable-admission-plugins=ServiceAccount",
            "--service-account-issuer=https://kubernetes.default.svc",
            &flag("service-account-key-file", "accounts.pem"),
            &flag("service-account-signing-key-file", "accounts.key"),
            &flag("tls-cert-file", "api.pem"),
            &flag("tls-private-key-file", "api.key"),
            &flag("token-auth-file", "tokens.csv"),
            &flag("cert-dir", "certificates"),
        ]);
        self.api = Some(background(&mut command, &self.path("api.log")));
        let ready = || self.try_kubectl(&["get", "--raw", "/readyz"]).status.success();
        wait::until("the API server is ready", ready, |ready| *ready);
    }

    /// Ends the API server, as an upgrade of it does.
    pub(super) fn stop_api(&mut self) {
        self.api = None;
    }

    /// A kubeconfig of this name, for the bearer of a token.
    fn kubeconfig(&self, name: &str, token: &str) {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {
                "server": format!("https://{ADDRESS}:6443"), "certificate-authority": self.path("api-ca.pem"),
            }}],
            "users": [{"name": name, "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": name}}],
        });
        fs::write(self.path(&format!("{name}.kubeconfig")), config.to_string()).expect("written");
    }

    fn try_kubectl(&self, arguments: &[&str]) -> Output {
        let mut command = self.node.command("kubectl");
        command.arg("--kubeconfig").arg(self.path("admin.kubeconfig")).args(arguments);
        command.output().expect("kubectl runs")
    }

    pub(super) fn kubectl(&self, arguments: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.try_kubectl(arguments);
        assert!(status.success(), "kubectl {arguments:?}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8_lossy(&stdout).trim().to_owned()
    }

    /// Applies manifests.
    pub(super) fn apply(&self, manifests: &str) {
        let (good, said) = self.try_apply(manifests);
        assert!(good, "{said}\n{manifests}");
    }

    /// Applies manifests, and tells whether they were taken, and with which words.
    pub(super) fn try_apply(&self, manifests: &str) -> (bool, String) {
        let mut command = self.node.command("kubectl");
        command.arg("--kubeconfig").arg(self.path("admin.kubeconfig")).args(["apply", "-f", "-"]);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.expect("kubectl runs");
        child.stdin.take().expect("a pipe").write_all(manifests.as_bytes()).expect("it reads");
        let output = child.wait_with_output().expect("it ends");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// An object as JSON.
    pub(super) fn get(&self, namespace: &str, object: &str) -> Value {
        let text = self.kubectl(&["get", "-n", namespace, object, "-o", "json"]);
        serde_json::from_str(&text).expect("JSON")
    }

    /// Starts the control plane, with the rights that `deploy/rbac` gives it.
    pub(super) fn start_control(&mut self) {
        self.kubectl(&["apply", "-f", &root().join("deploy/rbac").display().to_string()]);
        let token = self.kubectl(&["create", "token", "leno-control", "-n", "leno-system"]);
        self.kubeconfig("control", &token);
        self.kubectl(&["create", "serviceaccount", "rollout", "-n", "leno-system"]);
        let bound = ["--clusterrole=leno-rollout", "--serviceaccount=leno-system:rollout"];
        self.kubectl(&[&["create", "clusterrolebinding", "rollout"][..], &bound[..]].concat());
        self.kubeconfig("rollout", &self.kubectl(&["create", "token", "rollout", "-n", "leno-system"]));
        self.kubectl(&["apply", "-f", &root().join("deploy/webhook.yaml").display().to_string()]);
        let ports = json!([{"name": "https-webhook", "port": 15017, "protocol": "TCP"}]);
        self.list_endpoints("leno-system", "leno-control", &ports, &json!([{"addresses": [ADDRESS]}]));
        let mut command = self.node.command(leno());
        command.args(["control", "--kubernetes", "--kubeconfig"]).arg(self.path("control.kubeconfig"));
        command.arg("--ca-dir").arg(self.path("ca"));
        self._control = Some(background(&mut command, &self.path("control.log")));
        wait::until("the control plane is ready", || self.control("mesh"), |mesh| mesh["version"].is_u64());
    }

    /// What the control plane's API says.
    pub(super) fn control(&self, path: &str) -> Value {
        let url = format!("http://127.0.0.1:15080/api/{path}");
        let output = self.node.command("curl").args(["-s", &url]).output().expect("curl runs");
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    /// What a process said.
    pub(super) fn log(&self, name: &str) -> String {
        fs::read_to_string(self.path(&format!("{name}.log"))).unwrap_or_default()
    }

    /// A pod of the account `app`, labelled so, with a sidecar and an echo server that has further flags.
    pub(super) fn pod(&self, name: &str, number: u8, app: &str, flags: &[&str]) -> Pod {
        let address = format!("10.244.0.{number}");
        let object = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "shop", "labels": {"app": app}},
            "spec": {
                "serviceAccountName": app, "nodeName": "node", "automountServiceAccountToken": false,
                "initContainers": [{"name": "leno-proxy", "image": "leno", "restartPolicy": "Always"}],
                "containers": [{"name": "echo", "image": "leno"}],
            },
        });
        self.apply(&object.to_string());
        let status = json!({"status": {
            "phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "hostIP": ADDRESS,
            "conditions": [{"type": "Ready", "status": "True"}],
        }});
        let patch = ["-n", "shop", "pod", name, "--subresource=status", "--type=merge", "-p", &status.to_string()];
        self.kubectl(&[&["patch"][..], &patch[..]].concat());

        let network = self.node.pod(&address);
        succeed(entering(&network, leno()).args(["proxy", "init", "--mark", "1279610447"]));
        let mut sidecar = entering(&network, leno());
        sidecar.args(["proxy", "run", "--workload-name", name, "--workload-namespace", "shop"]);
        sidecar.args(["--service-account", app, "--workload-ip", &address]);
        sidecar.args(["--control-address", &format!("{ADDRESS}:15012"), "--control-ca"]).arg(self.path("ca/root.pem"));
        sidecar.arg("--token-file").arg(self.token(name, app));
        let mut echo = entering(&network, leno());
        echo.args(["demo", "echo", "serve", "--http", "8080", "--name", name]).args(flags);
        let processes = vec![
            background(&mut sidecar, &self.path(&format!("{name}.log"))),
            background(&mut echo, &self.path(&format!("{name}-echo.log"))),
        ];
        Pod { name: name.to_owned(), address, network, _processes: processes }
    }

    /// A file with the token that a kubelet would put into the pod.
    fn token(&self, pod: &str, account: &str) -> PathBuf {
        let bound = ["--bound-object-kind", "Pod", "--bound-object-name", pod];
        let token = ["create", "token", account, "-n", "shop", "--audience", "leno-ca"];
        let path = self.path(&format!("{pod}.token"));
        fs::write(&path, self.kubectl(&[&token[..], &bound[..]].concat())).expect("written");
        path
    }

    /// Lists the endpoints of a service, as the controller of EndpointSlices does.
    pub(super) fn endpoints(&self, service: &str, pods: &[&Pod]) {
        let endpoint = |pod: &&Pod| {
            let target = json!({"kind": "Pod", "namespace": "shop", "name": pod.name});
            json!({"addresses": [pod.address], "conditions": {"ready": true}, "targetRef": target})
        };
        let ports = json!([{"name": "http", "port": 8080, "protocol": "TCP"}]);
        self.list_endpoints("shop", service, &ports, &pods.iter().map(endpoint).collect());
    }

    fn list_endpoints(&self, namespace: &str, service: &str, ports: &Value, endpoints: &Value) {
        let slice = json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {
                "name": format!("{service}-1"), "namespace": namespace,
                "labels": {"kubernetes.io/service-name": service},
            },
            "addressType": "IPv4", "ports": ports, "endpoints": endpoints,
        });
        self.apply(&slice.to_string());
    }

    /// The address of a service, which the API server gave it.
    pub(super) fn address(&self, service: &str) -> String {
        self.get("shop", &format!("service/{service}"))["spec"]["clusterIP"].as_str().expect("an address").to_owned()
    }
}

impl Pod {
    /// A program in the pod.
    pub(super) fn command(&self, program: &str) -> Command {
        entering(&self.network, program)
    }

    /// What the pod is answered: the status, and who answered.
    pub(super) fn ask(&self, url: &str) -> (String, String) {
        let mut curl = self.command("curl");
        let output = curl.args(["-s", "-m", "5", "-w", "\n%{http_code}", url]).output().expect("curl runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, status) = text.rsplit_once('\n').unwrap_or_default();
        let name = serde_json::from_str::<Value>(body).ok().and_then(|it| it["pod"].as_str().map(str::to_owned));
        (status.to_owned(), name.unwrap_or_default())
    }
}

/// The API server's certificate, with its authority, and the key of service accounts.
fn certificates(folder: &Path) {
    let write = |name: &str, text: String| fs::write(folder.join(name), text).expect("written");
    let authority_key = rcgen::KeyPair::generate().expect("a key");
    let mut parameters = rcgen::CertificateParams::default();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    parameters.distinguished_name.push(rcgen::DnType::CommonName, "test authority");
    let authority = parameters.self_signed(&authority_key).expect("signed");
    write("api-ca.pem", authority.pem());
    let issuer = rcgen::Issuer::new(parameters, authority_key);
    let key = rcgen::KeyPair::generate().expect("a key");
    let parameters = rcgen::CertificateParams::new(vec![ADDRESS.to_owned()]).expect("a name");
    write("api.pem", parameters.signed_by(&key, &issuer).expect("signed").pem());
    write("api.key", key.serialize_pem());
    let accounts = rcgen::KeyPair::generate().expect("a key");
    write("accounts.key", accounts.serialize_pem());
    write("accounts.pem", accounts.public_key_pem());
}
