//! What runs, as the kubelet or the local runner reports it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `status` of a Pod ([PodStatus]).
///
/// [PodStatus]: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#PodStatus
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodStatus {
    /// Where in its life it is.
    pub phase: Option<PodPhase>,
    /// Its address.
    #[serde(rename = "podIP")]
    pub pod_ip: Option<String>,
    /// Its addresses, one a family.
    #[serde(rename = "podIPs", default)]
    pub pod_ips: Vec<PodIp>,
    /// The node's address.
    #[serde(rename = "hostIP")]
    pub host_ip: Option<String>,
    /// When it was started (RFC 3339).
    pub start_time: Option<String>,
    /// What is true of it.
    #[serde(default)]
    pub conditions: Vec<Condition>,
    /// Its init containers.
    #[serde(default)]
    pub init_container_statuses: Vec<ContainerStatus>,
    /// Its containers.
    #[serde(default)]
    pub container_statuses: Vec<ContainerStatus>,
    /// Why it is as it is, for people.
    pub message: Option<String>,
    /// Why it is as it is, one word.
    pub reason: Option<String>,
    /// How important it is when memory is short.
    pub qos_class: Option<String>,
}

/// An address of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodIp {
    /// The address.
    pub ip: String,
}

/// Where in its life a pod is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PodPhase {
    /// Not every container has started.
    Pending,
    /// Its containers run, or are being restarted.
    Running,
    /// Every container ended well and stays ended.
    Succeeded,
    /// Every container ended, one of them badly.
    Failed,
    /// Nobody can tell.
    Unknown,
}

/// Something that is true of an object, or not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What, e.g. `Ready`.
    #[serde(rename = "type")]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Why, one word.
    pub reason: Option<String>,
    /// Why, for people.
    pub message: Option<String>,
    /// Since when (RFC 3339).
    pub last_transition_time: Option<String>,
    /// When it was last looked at (RFC 3339).
    pub last_probe_time: Option<String>,
    /// When it was last written (RFC 3339); of Deployments.
    pub last_update_time: Option<String>,
    /// The generation of the spec that it was found out for.
    pub observed_generation: Option<i64>,
}

/// One container, as it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerStatus {
    /// Its name.
    pub name: String,
    /// Whether it takes requests.
    pub ready: bool,
    /// Whether its startup probe is content.
    pub started: Option<bool>,
    /// How often it was started again.
    pub restart_count: u32,
    /// Its image.
    #[serde(default)]
    pub image: String,
    /// Its image's digest.
    #[serde(rename = "imageID", default)]
    pub image_id: String,
    /// Its id; of the local runner `process://PID`.
    #[serde(rename = "containerID")]
    pub container_id: Option<String>,
    /// What it does.
    #[serde(default)]
    pub state: ContainerState,
    /// What it did before the last restart.
    #[serde(default)]
    pub last_state: ContainerState,
}

/// What a container does; at most one field is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerState {
    /// It runs.
    pub running: Option<ContainerRunning>,
    /// It waits to run.
    pub waiting: Option<ContainerWaiting>,
    /// It has ended.
    pub terminated: Option<ContainerTerminated>,
}

/// A container that runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerRunning {
    /// Since when (RFC 3339).
    pub started_at: Option<String>,
}

/// A container that waits to run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerWaiting {
    /// Why, one word, e.g. `CrashLoopBackOff`.
    pub reason: Option<String>,
    /// Why, for people.
    pub message: Option<String>,
}

/// A container that has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerTerminated {
    /// How it ended.
    pub exit_code: i32,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Why, one word, e.g. `Completed`, `Error`.
    pub reason: Option<String>,
    /// Why, for people.
    pub message: Option<String>,
    /// Since when it ran (RFC 3339).
    pub started_at: Option<String>,
    /// When it ended (RFC 3339).
    pub finished_at: Option<String>,
    /// Its id.
    #[serde(rename = "containerID")]
    pub container_id: Option<String>,
}

impl PodStatus {
    /// Whether the condition of this type is true.
    #[must_use]
    pub fn is(&self, condition: &str) -> bool {
        self.conditions.iter().any(|it| it.type_ == condition && it.status == "True")
    }

    /// Its addresses as they are written, without repeats.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        let first = self.pod_ip.as_deref();
        let more = self.pod_ips.iter().map(|it| it.ip.as_str()).filter(move |ip| Some(*ip) != first);
        first.into_iter().chain(more)
    }
}
