//! Pods to workloads.

use std::net::IpAddr;

use leno_manifest::core::{
    Namespace, Pod,
    pod::{PodStatus, status::PodPhase},
};
use leno_model::{ServiceAccountName, Workload, WorkloadName};

use crate::Objects;

/// The label by which a Deployment tells the pods of one template from those of another.
const TEMPLATE_HASH_LABEL: &str = "pod-template-hash";

/// A workload, and whether it may get new requests.
pub(super) struct Placed {
    pub(super) name: WorkloadName,
    pub(super) terminating: bool,
    workload: Workload,
}

impl Placed {
    pub(super) fn into_model(self) -> Workload {
        self.workload
    }

    pub(super) fn model(&self) -> &Workload {
        &self.workload
    }
}

/// Every pod that runs or is about to, in the order of their names.
pub(super) fn all(objects: &Objects) -> Vec<Placed> {
    let pods = objects.all::<Pod>().map(|(_, pod)| pod);
    // The address of a pod that has ended may be another one's by now.
    pods.filter(|pod| !has_ended(pod)).map(|pod| placed(objects, pod)).collect()
}

fn has_ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase);
    matches!(phase, Some(PodPhase::Succeeded | PodPhase::Failed))
}

fn placed(objects: &Objects, pod: &Pod) -> Placed {
    let metadata = &pod.metadata;
    let name = WorkloadName::new(&metadata.namespace, &metadata.name);
    let addresses = pod.status.iter().flat_map(PodStatus::addresses);
    let namespace = objects.find::<Namespace>("", &metadata.namespace);
    let workload = Workload {
        name: name.clone(),
        addresses: addresses.filter_map(|text| text.parse::<IpAddr>().ok()).collect(),
        service_account: ServiceAccountName::new(&metadata.namespace, pod.spec.account()),
        owner: owner(pod),
        labels: metadata.labels.clone(),
        meshed: leno_inject::is_meshed(namespace, pod),
    };
    Placed { name, terminating: metadata.deletion_timestamp.is_some(), workload }
}

/// The name of what made the pod. Of a ReplicaSet that is its Deployment: the hash of the template is cut off.
fn owner(pod: &Pod) -> String {
    let owners = &pod.metadata.owner_references;
    let controller = owners.iter().find(|owner| owner.controller == Some(true)).or_else(|| owners.first());
    let Some(owner) = controller else {
        return pod.metadata.name.clone();
    };
    let hash = pod.metadata.labels.get(TEMPLATE_HASH_LABEL).filter(|_| owner.kind == "ReplicaSet");
    let deployment =
        hash.and_then(|hash| owner.name.strip_suffix(hash.as_str())).and_then(|name| name.strip_suffix('-'));
    deployment.unwrap_or(&owner.name).to_owned()
}
