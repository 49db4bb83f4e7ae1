//! `apps/v1` StatefulSet.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    core::pod::PodTemplate,
    meta::{IntOrString, LabelSelector, ObjectMeta},
};

/// A Kubernetes StatefulSet: pods with stable names (`NAME-0`, `NAME-1`, …), started in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatefulSet {
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: StatefulSetSpec,
    /// What is.
    pub status: Option<StatefulSetStatus>,
}

/// `spec` of a [`StatefulSet`] ([StatefulSetSpec]).
///
/// [StatefulSetSpec]: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/stateful-set-v1/#StatefulSetSpec
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatefulSetSpec {
    /// The headless service that gives its pods DNS names.
    #[serde(default)]
    pub service_name: String,
    /// How many pods; 1 when not given.
    pub replicas: Option<u32>,
    /// The labels of its pods; must fit the template's.
    pub selector: LabelSelector,
    /// What its pods are made from.
    pub template: PodTemplate,
    /// Whether pods wait for the one before them.
    #[serde(default)]
    pub pod_management_policy: PodManagementPolicy,
    /// How pods are replaced.
    #[serde(default)]
    pub update_strategy: StatefulSetUpdateStrategy,
    /// Seconds that a pod must be ready to count as available; 0 when not given.
    pub min_ready_seconds: Option<u32>,
    /// How many old templates are kept; unused by the local runner.
    pub revision_history_limit: Option<u32>,
}

/// Whether the pods of a [`StatefulSet`] wait for one another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PodManagementPolicy {
    /// Each waits until the one before it is ready.
    #[default]
    OrderedReady,
    /// None waits.
    Parallel,
}

/// How the pods of a [`StatefulSet`] are replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatefulSetUpdateStrategy {
    /// By itself, or when somebody deletes them.
    #[serde(rename = "type", default)]
    pub type_: StatefulSetUpdateType,
    /// How, by itself.
    pub rolling_update: Option<StatefulSetRollingUpdate>,
}

/// Whether the pods of a [`StatefulSet`] are replaced by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StatefulSetUpdateType {
    /// From the last to the first, one at a time.
    #[default]
    RollingUpdate,
    /// When somebody deletes them.
    OnDelete,
}

/// How the pods of a [`StatefulSet`] are replaced by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatefulSetRollingUpdate {
    /// Pods with a smaller ordinal stay as they are.
    pub partition: Option<u32>,
    /// How many pods less than wanted there may be; 1 when not given.
    pub max_unavailable: Option<IntOrString>,
}

/// `status` of a [`StatefulSet`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatefulSetStatus {
    /// The generation of the spec that is in force.
    pub observed_generation: Option<i64>,
    /// How many pods there are.
    pub replicas: Option<u32>,
    /// How many are ready.
    pub ready_replicas: Option<u32>,
    /// How many are of the current template.
    pub updated_replicas: Option<u32>,
    /// How many have been ready long enough.
    pub available_replicas: Option<u32>,
}

impl StatefulSetSpec {
    /// How many pods are wanted.
    #[must_use]
    pub fn replicas(&self) -> u32 {
        self.replicas.unwrap_or(1)
    }
}
