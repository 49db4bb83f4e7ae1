//! One container of a pod.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    environment::{EnvFromSource, EnvVar},
    probe::{ExecAction, HttpGetAction, Probe, TcpSocketAction},
};
use crate::core::service::Transport;

/// One container of a pod ([Container]). The local runner runs `command` and `args` as a process of the host.
///
/// [Container]: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#Container
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Container {
    /// Its name, unique within the pod.
    pub name: String,
    /// The image; unused by the local runner.
    pub image: Option<String>,
    /// When the image is fetched; unused by the local runner.
    pub image_pull_policy: Option<String>,
    /// The program and its first arguments; the local runner needs it, having no image to take it from.
    #[serde(default)]
    pub command: Vec<String>,
    /// Further arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// The folder that it runs in.
    pub working_dir: Option<String>,
    /// The ports that it listens on.
    #[serde(default)]
    pub ports: Vec<ContainerPort>,
    /// Variables of its environment.
    #[serde(default)]
    pub env: Vec<EnvVar>,
    /// Whole ConfigMaps and Secrets as variables.
    #[serde(default)]
    pub env_from: Vec<EnvFromSource>,
    /// Whether it takes requests.
    pub readiness_probe: Option<Probe>,
    /// Whether it must be restarted.
    pub liveness_probe: Option<Probe>,
    /// Whether it has started; the other probes wait for it.
    pub startup_probe: Option<Probe>,
    /// What is done when it starts and before it ends.
    pub lifecycle: Option<Lifecycle>,
    /// `Always` on an init container makes it a sidecar that runs beside the others.
    pub restart_policy: Option<String>,
    /// Whether it gets a standard input.
    #[serde(default)]
    pub stdin: bool,
    /// Whether it gets a terminal.
    #[serde(default)]
    pub tty: bool,
}

/// A port that a container listens on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerPort {
    /// Its name, for `targetPort` and probes.
    pub name: Option<String>,
    /// Its number, 1 to 65535.
    #[schemars(range(min = 1))]
    pub container_port: u16,
    /// The transport protocol.
    #[serde(default)]
    pub protocol: Transport,
    /// The port of the node; unused, publish by `leno.dev/publish`.
    pub host_port: Option<u16>,
    /// The address of the node; unused.
    #[serde(rename = "hostIP")]
    pub host_ip: Option<String>,
}

/// What is done when a container starts and before it ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Lifecycle {
    /// Done right after it started.
    pub post_start: Option<LifecycleHandler>,
    /// Done before it is told to end; counts into the grace period.
    pub pre_stop: Option<LifecycleHandler>,
    /// The signal that tells it to end; `SIGTERM` when not given.
    pub stop_signal: Option<String>,
}

/// One thing to do; exactly one field is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LifecycleHandler {
    /// Run a command.
    pub exec: Option<ExecAction>,
    /// Make a request.
    pub http_get: Option<HttpGetAction>,
    /// Wait.
    pub sleep: Option<SleepAction>,
    /// Open a connection (Kubernetes keeps it for old objects only).
    pub tcp_socket: Option<TcpSocketAction>,
}

/// Waits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SleepAction {
    /// How long, in seconds.
    pub seconds: u32,
}
