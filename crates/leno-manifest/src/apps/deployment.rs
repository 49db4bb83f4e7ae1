//! `apps/v1` Deployment.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    core::pod::{PodTemplate, status::Condition},
    meta::{IntOrString, LabelSelector, ObjectMeta},
};

/// A Kubernetes Deployment: so many alike pods, replaced step by step when the template changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: DeploymentSpec,
    /// What is.
    pub status: Option<DeploymentStatus>,
}

/// `spec` of a [`Deployment`] ([DeploymentSpec]).
///
/// [DeploymentSpec]: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/deployment-v1/#DeploymentSpec
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentSpec {
    /// How many pods; 1 when not given.
    pub replicas: Option<u32>,
    /// The labels of its pods; must fit the template's.
    pub selector: LabelSelector,
    /// What its pods are made from.
    pub template: PodTemplate,
    /// How pods are replaced.
    #[serde(default)]
    pub strategy: DeploymentStrategy,
    /// Seconds that a pod must be ready to count as available; 0 when not given.
    pub min_ready_seconds: Option<u32>,
    /// Seconds without progress after which it is said to have failed; 600 when not given.
    pub progress_deadline_seconds: Option<u32>,
    /// How many old templates are kept; unused by the local runner.
    pub revision_history_limit: Option<u32>,
    /// Whether changes of the template wait.
    #[serde(default)]
    pub paused: bool,
}

/// How the pods of a [`Deployment`] are replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentStrategy {
    /// Step by step, or all at once.
    #[serde(rename = "type", default)]
    pub type_: DeploymentStrategyType,
    /// How large the steps are.
    pub rolling_update: Option<RollingUpdate>,
}

/// Whether pods are replaced step by step or all at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeploymentStrategyType {
    /// Step by step.
    #[default]
    RollingUpdate,
    /// The old ones end before new ones start.
    Recreate,
}

/// How large the steps of a replacement are: numbers of pods, or percentages of `replicas`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RollingUpdate {
    /// How many pods more than wanted there may be; 25% (rounded up) when not given.
    pub max_surge: Option<IntOrString>,
    /// How many pods less than wanted there may be; 25% (rounded down) when not given.
    pub max_unavailable: Option<IntOrString>,
}

/// `status` of a [`Deployment`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentStatus {
    /// The generation of the spec that is in force.
    pub observed_generation: Option<i64>,
    /// How many pods there are.
    pub replicas: Option<u32>,
    /// How many are of the current template.
    pub updated_replicas: Option<u32>,
    /// How many are ready.
    pub ready_replicas: Option<u32>,
    /// How many have been ready long enough.
    pub available_replicas: Option<u32>,
    /// How many are still missing.
    pub unavailable_replicas: Option<u32>,
    /// What is true of it.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}

impl DeploymentSpec {
    /// How many pods are wanted.
    #[must_use]
    pub fn replicas(&self) -> u32 {
        self.replicas.unwrap_or(1)
    }

    /// How many pods more, and how many less than wanted there may be while they are replaced. Never both 0.
    #[must_use]
    pub fn steps(&self) -> (u32, u32) {
        let update = self.strategy.rolling_update.clone().unwrap_or_default();
        let quarter = || IntOrString::String("25%".into());
        let surge = scaled(&update.max_surge.unwrap_or_else(quarter), self.replicas(), true);
        let unavailable = scaled(&update.max_unavailable.unwrap_or_else(quarter), self.replicas(), false);
        // Kubernetes takes one away at a time when rounding leaves no step at all.
        if surge == 0 && unavailable == 0 { (0, 1) } else { (surge, unavailable) }
    }
}

/// A count, or a percentage of `total` rounded up or down. Nonsense counts as 0; reading has refused it before.
fn scaled(value: &IntOrString, total: u32, up: bool) -> u32 {
    match value {
        IntOrString::Int(count) => u32::try_from(*count).unwrap_or(0),
        IntOrString::String(text) => {
            let percent = text.strip_suffix('%').and_then(|number| number.parse::<u32>().ok()).unwrap_or(0);
            let product = u64::from(percent) * u64::from(total);
            let count = if up { product.div_ceil(100) } else { product / 100 };
            u32::try_from(count).unwrap_or(u32::MAX)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(replicas: u32, surge: &str, unavailable: &str) -> DeploymentSpec {
        let value = |text: &str| text.parse().map_or_else(|_| IntOrString::String(text.into()), IntOrString::Int);
        let update = RollingUpdate { max_surge: Some(value(surge)), max_unavailable: Some(value(unavailable)) };
        let strategy = DeploymentStrategy { rolling_update: Some(update), ..Default::default() };
        DeploymentSpec { replicas: Some(replicas), strategy, ..Default::default() }
    }

    #[test]
    fn steps_round_as_kubernetes_does() {
        assert_eq!(DeploymentSpec::default().steps(), (1, 0));
        assert_eq!(spec(10, "25%", "25%").steps(), (3, 2));
        assert_eq!(spec(10, "0", "1").steps(), (0, 1));
        assert_eq!(spec(3, "0%", "25%").steps(), (0, 1));
        assert_eq!(spec(3, "100%", "0").steps(), (3, 0));
    }
}
