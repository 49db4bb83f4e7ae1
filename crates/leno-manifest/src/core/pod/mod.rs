//! `v1` Pod: what runs.

pub mod container;
pub mod environment;
pub mod probe;
pub mod status;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    container::{Container, ContainerPort, Lifecycle, LifecycleHandler},
    environment::{EnvFromSource, EnvVar, EnvVarSource},
    probe::Probe,
    status::PodStatus,
};
use crate::meta::{ObjectMeta, TemplateMeta};

/// A Kubernetes Pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pod {
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// What is to run.
    pub spec: PodSpec,
    /// What runs.
    pub status: Option<PodStatus>,
}

/// What a Deployment or StatefulSet makes pods from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodTemplate {
    /// The pods' labels and annotations.
    #[serde(default)]
    pub metadata: TemplateMeta,
    /// What they run.
    pub spec: PodSpec,
}

/// What a pod runs ([PodSpec]).
///
/// [PodSpec]: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#PodSpec
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodSpec {
    /// Containers that run one after the other, each to its end, before the others start.
    #[serde(default)]
    pub init_containers: Vec<Container>,
    /// Containers that run side by side.
    pub containers: Vec<Container>,
    /// What happens when a container ends; `Always` when not given.
    #[serde(default)]
    pub restart_policy: RestartPolicy,
    /// Seconds between the request to end and the kill; 30 when not given.
    pub termination_grace_period_seconds: Option<u32>,
    /// The service account that it runs as; `default` when not given.
    pub service_account_name: Option<String>,
    /// The old name of `serviceAccountName`.
    pub service_account: Option<String>,
    /// Whether the account's token is mounted.
    pub automount_service_account_token: Option<bool>,
    /// The pod's host name; its own name when not given.
    pub hostname: Option<String>,
    /// The headless service that gives the pod a DNS name.
    pub subdomain: Option<String>,
    /// Labels of the node that it must run on; the local runner has one node.
    #[serde(default)]
    pub node_selector: BTreeMap<String, String>,
    /// The node that it runs on.
    pub node_name: Option<String>,
    /// Whether it shares the node's network; the local runner refuses it.
    #[serde(default)]
    pub host_network: bool,
    /// Where the pod's names are resolved; `ClusterFirst` when not given.
    pub dns_policy: Option<String>,
}

/// What happens when a container ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RestartPolicy {
    /// It is started again.
    #[default]
    Always,
    /// It is started again unless it ended well.
    OnFailure,
    /// It stays ended.
    Never,
}

impl PodSpec {
    /// The service account that it runs as.
    #[must_use]
    pub fn account(&self) -> &str {
        let named = |name: &&str| !name.is_empty();
        let new = self.service_account_name.as_deref().filter(named);
        new.or(self.service_account.as_deref().filter(named)).unwrap_or("default")
    }

    /// The number of a port that its containers name. (Kubernetes also looks at sidecar init containers; Leno does not.)
    #[must_use]
    pub fn named_port(&self, name: &str) -> Option<u16> {
        let mut ports = self.containers.iter().flat_map(|container| &container.ports);
        ports.find(|port| port.name.as_deref() == Some(name)).map(|port| port.container_port)
    }
}
