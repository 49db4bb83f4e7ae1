//! Manifests for tests: an echo service, a client, and the policies between them.

/// A namespace whose pods get sidecars.
#[must_use]
pub fn meshed_namespace(name: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Namespace\nmetadata: {{ name: {name}, labels: {{ leno.dev/inject: enabled }} }}\n"
    )
}

/// A namespace whose pods are plain.
#[must_use]
pub fn plain_namespace(name: &str) -> String {
    format!("---\napiVersion: v1\nkind: Namespace\nmetadata: {{ name: {name} }}\n")
}

/// The mesh's settings; `spec` in flow style, e.g. `defaultAccess: Allow`.
#[must_use]
pub fn mesh_config(spec: &str) -> String {
    format!(
        "---\napiVersion: policy.leno.dev/v1alpha1\nkind: MeshConfig\nmetadata: {{ name: leno }}\nspec: {{ {spec} }}\n"
    )
}

/// An echo server as a Deployment, with its ServiceAccount of that name unless another is named: HTTP 8080, TCP 9000, server-first 9001.
#[derive(Clone, Debug)]
pub struct Echo<'a> {
    /// The namespace.
    pub namespace: &'a str,
    /// The name of Deployment and ServiceAccount, and the label `app`.
    pub name: &'a str,
    /// How many.
    pub replicas: u32,
    /// The ServiceAccount, when it is not called like the Deployment.
    pub service_account: Option<&'a str>,
    /// `--bind`, when the server shall not listen on every address.
    pub bind: &'a str,
    /// More labels of the pods, in flow style, e.g. `tier: back`.
    pub labels: &'a str,
    /// Annotations of the pods, in flow style.
    pub annotations: &'a str,
    /// More arguments of the server, in flow style, e.g. `"--status", "500"`.
    pub arguments: &'a str,
}

impl<'a> Echo<'a> {
    /// One replica that listens on every address.
    #[must_use]
    pub fn new(namespace: &'a str, name: &'a str) -> Self {
        Self {
            namespace,
            name,
            replicas: 1,
            service_account: None,
            bind: "0.0.0.0",
            labels: "",
            annotations: "",
            arguments: "",
        }
    }

    /// The manifest.
    #[must_use]
    pub fn yaml(&self) -> String {
        let Self { namespace, name, replicas, bind, labels, annotations, arguments, .. } = self;
        let account = self.service_account.unwrap_or(name);
        // A shared account is written once, by whoever shares it.
        let own = if self.service_account.is_none() { service_account(namespace, account) } else { String::new() };
        format!(
            "{own}---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{ name: {name}, namespace: {namespace} }}\n\
             spec:\n  replicas: {replicas}\n  selector: {{ matchLabels: {{ app: {name} }} }}\n  template:\n    \
             metadata:\n      labels: {{ app: {name}, {labels} }}\n      annotations: {{ {annotations} }}\n    \
             spec:\n      serviceAccountName: {account}\n      terminationGracePeriodSeconds: 10\n      containers:\n        \
             - name: echo\n          image: leno:latest\n          command: [\"leno\", \"demo\", \"echo\", \"serve\"]\n          \
             args: [\"--http\", \"8080\", \"--tcp\", \"9000\", \"--server-first\", \"9001\", \"--bind\", \"{bind}\", {arguments}]\n          \
             env:\n            - name: POD_NAME\n              valueFrom: {{ fieldRef: {{ fieldPath: metadata.name }} }}\n            \
             - name: POD_IP\n              valueFrom: {{ fieldRef: {{ fieldPath: status.podIP }} }}\n          \
             readinessProbe: {{ tcpSocket: {{ port: 8080 }}, periodSeconds: 1 }}\n"
        )
    }
}

/// A ServiceAccount.
#[must_use]
pub fn service_account(namespace: &str, name: &str) -> String {
    format!("---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {{ name: {name}, namespace: {namespace} }}\n")
}

/// A Service of pods with label `app: <selector>`; `ports` in flow style, e.g. `{ name: http, port: 80, targetPort: 8080 }`.
#[must_use]
pub fn service(namespace: &str, name: &str, selector: &str, ports: &[&str]) -> String {
    service_with(namespace, name, &format!("app: {selector}"), "", ports)
}

/// A Service with any selector and further fields of its spec, both in flow style.
#[must_use]
pub fn service_with(namespace: &str, name: &str, selector: &str, spec: &str, ports: &[&str]) -> String {
    let ports: String = ports.iter().map(|port| format!("    - {port}\n")).collect();
    let spec = if spec.is_empty() { String::new() } else { format!("  {spec}\n") };
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{ name: {name}, namespace: {namespace} }}\nspec:\n{spec}  \
         selector: {{ {selector} }}\n  ports:\n{ports}"
    )
}

/// The usual port of an echo service: 80 to 8080, HTTP.
pub const HTTP: &str = "{ name: http, port: 80, targetPort: 8080 }";
/// TCP 9000.
pub const TCP: &str = "{ name: tcp, port: 9000 }";
/// TCP 9001, where the server speaks first.
pub const SERVER_FIRST: &str = "{ name: tcp-greet, port: 9001 }";

/// A client: a pod that does nothing of its own, called like its Deployment and ServiceAccount.
#[must_use]
pub fn client(namespace: &str, name: &str, annotations: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {{ name: {name}, namespace: {namespace} }}\n\
         ---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  namespace: {namespace}\n  labels: {{ app: {name} }}\n  \
         annotations: {{ {annotations} }}\nspec:\n  serviceAccountName: {name}\n  terminationGracePeriodSeconds: 1\n  containers:\n    \
         - name: client\n      image: leno:latest\n      command: [\"sleep\", \"infinity\"]\n"
    )
}

/// Lets `sources` (`namespace/service account`) call `destination` by HTTP requests of `method` whose path fits `path`.
#[must_use]
pub fn allow_http(destination: &str, path: &str, methods: &str, sources: &[&str]) -> String {
    let (namespace, account) = split(destination);
    let name = format!("{account}-http");
    format!(
        "---\napiVersion: specs.smi-spec.io/v1alpha4\nkind: HTTPRouteGroup\nmetadata: {{ name: {name}, namespace: {namespace} }}\n\
         spec:\n  matches:\n    - {{ name: it, pathRegex: \"{path}\", methods: [{methods}] }}\n{}",
        target(namespace, &name, account, &format!("{{ kind: HTTPRouteGroup, name: {name}, matches: [it] }}"), sources)
    )
}

/// Lets `sources` connect to `destination` on `ports`; an empty list is every port.
#[must_use]
pub fn allow_tcp(destination: &str, ports: &str, sources: &[&str]) -> String {
    let (namespace, account) = split(destination);
    let name = format!("{account}-tcp");
    format!(
        "---\napiVersion: specs.smi-spec.io/v1alpha4\nkind: TCPRoute\nmetadata: {{ name: {name}, namespace: {namespace} }}\n\
         spec: {{ matches: {{ ports: [{ports}] }} }}\n{}",
        target(namespace, &name, account, &format!("{{ kind: TCPRoute, name: {name} }}"), sources)
    )
}

fn target(namespace: &str, name: &str, account: &str, rule: &str, sources: &[&str]) -> String {
    let sources: String = sources
        .iter()
        .map(|source| {
            let (namespace, account) = split(source);
            format!("    - {{ kind: ServiceAccount, name: {account}, namespace: {namespace} }}\n")
        })
        .collect();
    format!(
        "---\napiVersion: access.smi-spec.io/v1alpha3\nkind: TrafficTarget\nmetadata: {{ name: {name}, namespace: {namespace} }}\n\
         spec:\n  destination: {{ kind: ServiceAccount, name: {account}, namespace: {namespace} }}\n  rules:\n    - {rule}\n  \
         sources:\n{sources}"
    )
}

/// A TrafficSplit of a root service; backends in flow style, e.g. `{ service: v1, weight: 90 }`.
#[must_use]
pub fn traffic_split(namespace: &str, root: &str, backends: &[&str]) -> String {
    let backends: String = backends.iter().map(|backend| format!("    - {backend}\n")).collect();
    format!(
        "---\napiVersion: split.smi-spec.io/v1alpha4\nkind: TrafficSplit\nmetadata: {{ name: {root}, namespace: {namespace} }}\n\
         spec:\n  service: {root}\n  backends:\n{backends}"
    )
}

fn split(name: &str) -> (&str, &str) {
    name.split_once('/').unwrap_or(("default", name))
}

/// A rate limit service (`leno ratelimit`) without rules of its own, as a meshed Deployment and Service `limits`: it counts
/// on 8081, its metrics are on 8080.
#[must_use]
pub fn rate_limit_service(namespace: &str) -> String {
    format!(
        "{}---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{ name: limits, namespace: {namespace} }}\n\
         spec:\n  selector: {{ matchLabels: {{ app: limits }} }}\n  template:\n    \
         metadata: {{ labels: {{ app: limits }} }}\n    spec:\n      serviceAccountName: limits\n      containers:\n        \
         - name: limits\n          image: leno:latest\n          command: [leno, ratelimit]\n          \
         args: [--address, 0.0.0.0:8081, --metrics-address, 0.0.0.0:8080]\n          \
         readinessProbe: {{ tcpSocket: {{ port: 8081 }}, periodSeconds: 1 }}\n{}",
        service_account(namespace, "limits"),
        service(namespace, "limits", "limits", &["{ name: grpc, port: 8081 }"]),
    )
}

/// The configuration of an nginx that keeps all of its files in a folder and serves on 8080; `server` is what stands in its
/// `server` block besides.
#[must_use]
pub fn nginx_configuration(folder: &str, server: &str) -> String {
    // SAFETY: it cannot fail.
    let is_root = unsafe { libc::geteuid() } == 0;
    // The folder is ours; as root nginx would change to somebody who may not write there.
    let user = if is_root { "user root;" } else { "" };
    format!(
        "daemon off; {user} pid {folder}/nginx.pid; error_log stderr; events {{}}\n\
         http {{ access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; \
         fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; \
         server {{ listen 8080; {server} }} }}\n"
    )
}
