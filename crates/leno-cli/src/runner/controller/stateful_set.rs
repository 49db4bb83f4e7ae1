//! StatefulSets: pods with stable names, made in order, replaced from the last to the first.

use std::{path::Path, time::Duration};

use leno_manifest::{
    Kind,
    apps::{
        StatefulSet,
        stateful_set::{PodManagementPolicy, StatefulSetStatus, StatefulSetUpdateType},
    },
    core::Pod,
    meta::{IntOrString, OwnerReference},
};

use super::{Plan, code, hash, template_pod};
use crate::runner::pods::PodRecord;

/// The label that says which template a pod was made from.
const REVISION_LABEL: &str = "controller-revision-hash";

/// What to do next for a StatefulSet whose pods are these.
pub(crate) fn plan(set: &StatefulSet, folder: &Path, pods: &[&PodRecord]) -> Plan {
    let replicas = set.spec.replicas();
    let revision = revision(set, folder);
    let hold = Duration::from_secs(set.spec.min_ready_seconds.unwrap_or(0).into());
    let ordered = set.spec.pod_management_policy == PodManagementPolicy::OrderedReady;
    let at = |ordinal: u32| pods.iter().find(|record| record.pod.metadata.name == name(set, ordinal)).copied();
    let mut plan = Plan { wake: pods.iter().filter_map(|record| record.available_in(hold)).min(), ..Plan::default() };
    let mut settled = true;
    for ordinal in 0..replicas {
        match at(ordinal) {
            None if settled || !ordered => plan.create.push(pod(set, ordinal, &revision)),
            None => {}
            Some(record) if record.has_ended() && !record.is_terminating() => {
                plan.delete.push(record.pod.metadata.name.clone());
            }
            Some(_) => {}
        }
        settled &= at(ordinal).is_some_and(|record| record.is_available(hold) && !record.is_terminating());
    }
    let mut beyond: Vec<&PodRecord> = pods
        .iter()
        .filter(|record| ordinal_of(set, record).is_some_and(|ordinal| ordinal >= replicas))
        .copied()
        .collect();
    beyond.sort_by_key(|record| std::cmp::Reverse(ordinal_of(set, record)));
    if ordered {
        beyond.truncate(1);
    }
    plan.delete
        .extend(beyond.iter().filter(|record| !record.is_terminating()).map(|record| record.pod.metadata.name.clone()));
    if plan.is_empty() && beyond.is_empty() {
        plan.delete = outdated(set, &revision, hold, pods);
    }
    plan
}

/// The pods to replace next, the last first: as many as may be away at once.
fn outdated(set: &StatefulSet, revision: &str, hold: Duration, pods: &[&PodRecord]) -> Vec<String> {
    if set.spec.update_strategy.type_ == StatefulSetUpdateType::OnDelete {
        return Vec::new();
    }
    let rolling = set.spec.update_strategy.rolling_update.clone().unwrap_or_default();
    let partition = rolling.partition.unwrap_or(0);
    let is_old = |record: &&&PodRecord| {
        record.pod.metadata.labels.get(REVISION_LABEL).map(String::as_str) != Some(revision)
            && ordinal_of(set, record).is_some_and(|ordinal| ordinal >= partition)
            && !record.is_terminating()
    };
    let mut old: Vec<&PodRecord> = pods.iter().filter(is_old).copied().collect();
    old.sort_by_key(|record| std::cmp::Reverse(ordinal_of(set, record)));
    let (broken, serving): (Vec<_>, Vec<_>) = old.into_iter().partition(|record| !record.is_available(hold));
    let away = pods.iter().filter(|record| record.is_terminating() || !record.is_available(hold)).count();
    let may = usize::try_from(max_unavailable(&rolling.max_unavailable, set.spec.replicas())).unwrap_or(1);
    // An old pod that does not work is replaced at once: waiting for it would be waiting for ever.
    let broken = broken.into_iter().take(may);
    let serving = serving.into_iter().take(may.saturating_sub(away));
    broken.chain(serving).map(|record| record.pod.metadata.name.clone()).collect()
}

#[expect(clippy::ref_option, reason = "a field of the manifest, as it is")]
fn max_unavailable(value: &Option<IntOrString>, replicas: u32) -> u32 {
    let count = match value {
        None => 1,
        Some(IntOrString::Int(count)) => u32::try_from(*count).unwrap_or(1),
        Some(IntOrString::String(text)) => {
            let percent = text.trim_end_matches('%').parse::<u32>().unwrap_or(0);
            percent.saturating_mul(replicas).div_ceil(100)
        }
    };
    count.max(1)
}

fn name(set: &StatefulSet, ordinal: u32) -> String {
    format!("{}-{ordinal}", set.metadata.name)
}

fn ordinal_of(set: &StatefulSet, record: &PodRecord) -> Option<u32> {
    record.pod.metadata.name.strip_prefix(&set.metadata.name)?.strip_prefix('-')?.parse().ok()
}

fn revision(set: &StatefulSet, folder: &Path) -> String {
    let mut text = serde_json::to_vec(&set.spec.template).unwrap_or_default();
    text.extend_from_slice(folder.as_os_str().as_encoded_bytes());
    format!("{}-{}", set.metadata.name, code(hash(&text), 10))
}

fn pod(set: &StatefulSet, ordinal: u32, revision: &str) -> Pod {
    let metadata = &set.metadata;
    let owner = OwnerReference {
        api_version: Kind::StatefulSet.api_version(),
        kind: Kind::StatefulSet.as_str().into(),
        name: metadata.name.clone(),
        uid: metadata.uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: None,
    };
    let name = name(set, ordinal);
    let mut pod = template_pod(&set.spec.template, &metadata.namespace, name.clone(), owner);
    let labels = &mut pod.metadata.labels;
    labels.insert(REVISION_LABEL.into(), revision.into());
    labels.insert("statefulset.kubernetes.io/pod-name".into(), name.clone());
    labels.insert("apps.kubernetes.io/pod-index".into(), ordinal.to_string());
    pod.spec.hostname = Some(name);
    pod.spec.subdomain = Some(set.spec.service_name.clone()).filter(|service| !service.is_empty());
    pod
}

/// What is true of a StatefulSet whose pods are these.
pub(crate) fn status(set: &StatefulSet, folder: &Path, pods: &[&PodRecord]) -> StatefulSetStatus {
    let revision = revision(set, folder);
    let hold = Duration::from_secs(set.spec.min_ready_seconds.unwrap_or(0).into());
    let count = |keep: &dyn Fn(&PodRecord) -> bool| {
        u32::try_from(pods.iter().filter(|record| keep(record)).count()).unwrap_or(u32::MAX)
    };
    StatefulSetStatus {
        observed_generation: set.metadata.generation,
        replicas: Some(count(&|_| true)),
        ready_replicas: Some(count(&PodRecord::is_ready)),
        updated_replicas: Some(count(&|record| record.pod.metadata.labels.get(REVISION_LABEL) == Some(&revision))),
        available_replicas: Some(count(&|record| record.is_available(hold))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::runner::pods::tests::record;

    fn set(replicas: u32, image: &str, policy: &str) -> StatefulSet {
        serde_json::from_value(json!({
            "metadata": {"name": "zk", "namespace": "shop"},
            "spec": {"serviceName": "zk", "replicas": replicas, "podManagementPolicy": policy,
                "selector": {"matchLabels": {"app": "zk"}},
                "template": {"metadata": {"labels": {"app": "zk"}},
                    "spec": {"containers": [{"name": "app", "image": image}]}}}
        }))
        .unwrap()
    }

    fn names(pods: &[Pod]) -> Vec<&str> {
        pods.iter().map(|pod| pod.metadata.name.as_str()).collect()
    }

    #[test]
    fn pods_start_in_order_each_after_the_one_before_is_ready() {
        let first = plan(&set(3, "a", "OrderedReady"), Path::new("/"), &[]);
        assert_eq!(names(&first.create), ["zk-0"]);
        assert_eq!(first.create[0].spec.subdomain.as_deref(), Some("zk"));
        let waiting = record(first.create[0].clone(), false);
        assert!(plan(&set(3, "a", "OrderedReady"), Path::new("/"), &[&waiting]).is_empty());
        let ready = record(first.create[0].clone(), true);
        assert_eq!(names(&plan(&set(3, "a", "OrderedReady"), Path::new("/"), &[&ready]).create), ["zk-1"]);
        assert_eq!(plan(&set(3, "a", "Parallel"), Path::new("/"), &[]).create.len(), 3);
    }

    #[test]
    fn an_update_goes_from_the_last_to_the_first_one_at_a_time() {
        let all = plan(&set(3, "a", "Parallel"), Path::new("/"), &[]).create;
        let mut records: Vec<_> = all.into_iter().map(|pod| record(pod, true)).collect();
        let next =
            |records: &[PodRecord]| plan(&set(3, "b", "Parallel"), Path::new("/"), &records.iter().collect::<Vec<_>>());
        assert_eq!(next(&records).delete, ["zk-2"]);
        records[2].pod.metadata.deletion_timestamp = Some("2026-01-01T00:00:00Z".into());
        assert!(next(&records).is_empty());
        records.pop();
        assert_eq!(names(&next(&records).create), ["zk-2"]);
    }

    #[test]
    fn scaling_down_ends_the_last_first() {
        let all = plan(&set(3, "a", "Parallel"), Path::new("/"), &[]).create;
        let records: Vec<_> = all.into_iter().map(|pod| record(pod, true)).collect();
        let records: Vec<_> = records.iter().collect();
        assert_eq!(plan(&set(1, "a", "OrderedReady"), Path::new("/"), &records).delete, ["zk-2"]);
        assert_eq!(plan(&set(1, "a", "Parallel"), Path::new("/"), &records).delete, ["zk-2", "zk-1"]);
    }
}
