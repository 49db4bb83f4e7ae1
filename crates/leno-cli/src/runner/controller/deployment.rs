//! Deployments: so many pods of the newest template, replaced step by step.

use std::path::Path;

use leno_manifest::{
    Kind,
    apps::{
        Deployment,
        deployment::{DeploymentStatus, DeploymentStrategyType},
    },
    core::{Pod, pod::status::Condition},
    meta::OwnerReference,
};

use super::{
    Plan, code, hash,
    rollout::{Member, Strategy, step},
    suffix, template_pod,
};
use crate::runner::pods::PodRecord;

/// The label that says which template a pod was made from.
pub(crate) const TEMPLATE_HASH_LABEL: &str = "pod-template-hash";

/// What to do next for a Deployment whose pods are these, in the order of their making.
pub(crate) fn plan(deployment: &Deployment, folder: &Path, pods: &[&PodRecord]) -> Plan {
    let hash = template_hash(deployment, folder);
    let hold = u64::from(deployment.spec.min_ready_seconds.unwrap_or(0));
    let hold = std::time::Duration::from_secs(hold);
    let member = |record: &&PodRecord| Member {
        name: record.pod.metadata.name.clone(),
        current: deployment.spec.paused || record.pod.metadata.labels.get(TEMPLATE_HASH_LABEL) == Some(&hash),
        available: record.is_available(hold),
        terminating: record.is_terminating(),
    };
    // Pods that have ended for good (evicted ones, on Kubernetes) do not count.
    let members: Vec<Member> = pods.iter().filter(|record| !record.has_ended()).map(member).collect();
    let step = step(deployment.spec.replicas(), strategy(deployment), &members);
    let create = (0..step.create).map(|_| pod(deployment, &hash)).collect();
    let delete = step.delete.into_iter().chain(ended(pods)).collect();
    Plan { create, delete, wake: pods.iter().filter_map(|record| record.available_in(hold)).min() }
}

/// The names of pods that have ended for good, to be cleared away.
fn ended(pods: &[&PodRecord]) -> Vec<String> {
    let ended = pods.iter().filter(|record| record.has_ended() && !record.is_terminating());
    ended.map(|record| record.pod.metadata.name.clone()).collect()
}

fn strategy(deployment: &Deployment) -> Strategy {
    match deployment.spec.strategy.type_ {
        DeploymentStrategyType::Recreate => Strategy::Recreate,
        DeploymentStrategyType::RollingUpdate => {
            let (surge, unavailable) = deployment.spec.steps();
            Strategy::Rolling { surge, unavailable }
        }
    }
}

fn template_hash(deployment: &Deployment, folder: &Path) -> String {
    // The folder is part of what runs: relative commands mean something else in another one.
    let mut text = serde_json::to_vec(&deployment.spec.template).unwrap_or_default();
    text.extend_from_slice(folder.as_os_str().as_encoded_bytes());
    code(hash(&text), 10)
}

/// A new pod: `NAME-HASH-SUFFIX`, as Kubernetes names it.
fn pod(deployment: &Deployment, hash: &str) -> Pod {
    let metadata = &deployment.metadata;
    let set = format!("{}-{hash}", metadata.name);
    let owner = OwnerReference {
        api_version: Kind::Deployment.api_version(),
        kind: Kind::Deployment.as_str().into(),
        name: metadata.name.clone(),
        uid: metadata.uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: None,
    };
    let mut pod = template_pod(&deployment.spec.template, &metadata.namespace, format!("{set}-{}", suffix()), owner);
    pod.metadata.labels.insert(TEMPLATE_HASH_LABEL.into(), hash.into());
    pod
}

/// What is true of a Deployment whose pods are these.
pub(crate) fn status(deployment: &Deployment, folder: &Path, pods: &[&PodRecord]) -> DeploymentStatus {
    let hash = template_hash(deployment, folder);
    let hold = std::time::Duration::from_secs(deployment.spec.min_ready_seconds.unwrap_or(0).into());
    let count = |keep: &dyn Fn(&PodRecord) -> bool| {
        let counted = pods.iter().filter(|record| !record.is_terminating() && !record.has_ended() && keep(record));
        u32::try_from(counted.count()).unwrap_or(u32::MAX)
    };
    let wanted = deployment.spec.replicas();
    let available = count(&|record| record.is_available(hold));
    let enough = available >= wanted.saturating_sub(deployment.spec.steps().1);
    let condition = Condition {
        type_: "Available".into(),
        status: if enough { "True" } else { "False" }.into(),
        reason: Some(if enough { "MinimumReplicasAvailable" } else { "MinimumReplicasUnavailable" }.into()),
        ..Condition::default()
    };
    DeploymentStatus {
        observed_generation: deployment.metadata.generation,
        replicas: Some(count(&|_| true)),
        updated_replicas: Some(count(&|record| record.pod.metadata.labels.get(TEMPLATE_HASH_LABEL) == Some(&hash))),
        ready_replicas: Some(count(&PodRecord::is_ready)),
        available_replicas: Some(available),
        unavailable_replicas: Some(wanted.saturating_sub(available)),
        conditions: vec![condition],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::runner::pods::tests::record;

    fn deployment(image: &str) -> Deployment {
        serde_json::from_value(json!({
            "metadata": {"name": "cart", "namespace": "shop", "uid": "u1"},
            "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "cart"}}, "template": {
                "metadata": {"labels": {"app": "cart"}}, "spec": {"containers": [{"name": "app", "image": image}]}}}
        }))
        .unwrap()
    }

    #[test]
    fn pods_are_named_and_labelled_as_kubernetes_does() {
        let plan = plan(&deployment("a"), Path::new("/"), &[]);
        assert_eq!(plan.create.len(), 2);
        let pod = &plan.create[0];
        let parts: Vec<&str> = pod.metadata.name.split('-').collect();
        assert_eq!((parts[0], parts[1].len(), parts[2].len()), ("cart", 10, 5));
        assert_eq!(pod.metadata.labels["app"], "cart");
        assert_eq!(pod.metadata.labels[TEMPLATE_HASH_LABEL], parts[1]);
        assert_eq!(pod.metadata.owner_references[0].name, "cart");
    }

    #[test]
    fn another_template_starts_a_rolling_update() {
        let old: Vec<PodRecord> =
            plan(&deployment("a"), Path::new("/"), &[]).create.into_iter().map(|pod| record(pod, true)).collect();
        let old: Vec<&PodRecord> = old.iter().collect();
        assert!(plan(&deployment("a"), Path::new("/"), &old).is_empty());
        let next = plan(&deployment("b"), Path::new("/"), &old);
        assert_eq!((next.create.len(), next.delete.len()), (1, 0));
        let status = status(&deployment("b"), Path::new("/"), &old);
        assert_eq!((status.replicas, status.updated_replicas, status.ready_replicas), (Some(2), Some(0), Some(2)));
    }
}
