//! The pods that run: what each was made from, how it is, and the way to end it.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use leno_api::runner::PodView;
use leno_manifest::core::{
    Pod,
    pod::status::{ContainerStatus, PodPhase},
};
use leno_model::WorkloadName;
use leno_proxy::redirect::Redirect;
use tokio::sync::watch;

use super::pod::{SIDECAR, status};
use crate::sandbox;

/// Whether a pod is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It is not.
    Run,
    /// In order, within this time.
    Graceful(Duration),
    /// At once.
    Now,
}

/// How long a pod that was started again must be ready before the mesh is said to be so.
const CALM: Duration = Duration::from_secs(5);

/// A pod of the mesh.
#[derive(Debug)]
pub(crate) struct PodRecord {
    /// The object, with its status.
    pub(crate) pod: Pod,
    /// The folder that its containers run in.
    pub(crate) folder: PathBuf,
    /// When it was made.
    pub(crate) created: Instant,
    /// Since when it is ready.
    pub(crate) ready_since: Option<Instant>,
    /// Why it has a sidecar or has none.
    pub(crate) mesh_reason: String,
    /// Its address.
    pub(crate) address: Ipv4Addr,
    /// Its network, once it is made; for `leno exec` and for looking at its sidecar.
    pub(crate) place: Option<Arc<sandbox::Pod>>,
    /// The packet rules that lead its traffic through its sidecar, if it has one.
    pub(crate) redirect: Option<Redirect>,
    /// Tells its task to end.
    pub(crate) stop: watch::Sender<Stop>,
    /// Why containers are not ready, as their probes last said.
    pub(crate) unready: BTreeMap<String, String>,
    /// What was last told of it.
    pub(crate) told: PodView,
}

impl PodRecord {
    /// A pod that has just been made.
    pub(crate) fn new(pod: Pod, folder: PathBuf, address: Ipv4Addr, mesh_reason: String) -> Self {
        Self {
            pod,
            folder,
            created: Instant::now(),
            ready_since: None,
            mesh_reason,
            address,
            place: None,
            redirect: None,
            stop: watch::Sender::new(Stop::Run),
            unready: BTreeMap::new(),
            told: PodView::default(),
        }
    }

    /// Its name.
    pub(crate) fn name(&self) -> WorkloadName {
        WorkloadName::new(&self.pod.metadata.namespace, &self.pod.metadata.name)
    }

    /// Whether it is ending.
    pub(crate) fn is_terminating(&self) -> bool {
        self.pod.metadata.deletion_timestamp.is_some()
    }

    /// Whether all its containers have ended for good.
    pub(crate) fn has_ended(&self) -> bool {
        let phase = self.pod.status.as_ref().and_then(|status| status.phase);
        matches!(phase, Some(PodPhase::Succeeded | PodPhase::Failed))
    }

    /// Whether it takes requests.
    pub(crate) fn is_ready(&self) -> bool {
        self.pod.status.as_ref().is_some_and(|status| status.is("Ready"))
    }

    /// Whether it has been ready for this long, and stays.
    pub(crate) fn is_available(&self, hold: Duration) -> bool {
        self.is_ready() && self.ready_since.is_some_and(|since| since.elapsed() >= hold)
    }

    /// Whether it is ready and likely to stay so: one that was started again must have run for a while.
    pub(crate) fn is_settled(&self) -> bool {
        let calm = if status::restarts(&self.pod) > 0 { CALM } else { Duration::ZERO };
        self.is_available(calm)
    }

    /// How long until it counts as available; `None` when only an event can make it so.
    pub(crate) fn available_in(&self, hold: Duration) -> Option<Duration> {
        let since = self.ready_since.filter(|_| self.is_ready())?;
        hold.checked_sub(since.elapsed()).filter(|left| !left.is_zero())
    }

    /// Whether it has a sidecar.
    pub(crate) fn is_meshed(&self) -> bool {
        self.pod.spec.init_containers.iter().any(|container| container.name == SIDECAR)
    }

    /// What made it.
    pub(crate) fn owner(&self) -> String {
        let owner = self.pod.metadata.owner_references.first();
        owner.map(|owner| format!("{}/{}", owner.kind, owner.name)).unwrap_or_default()
    }

    /// The status of one container, to be changed; made if it is not there.
    pub(crate) fn container_mut(&mut self, name: &str) -> &mut ContainerStatus {
        let is_init = self.pod.spec.init_containers.iter().any(|container| container.name == name);
        let status = self.pod.status.get_or_insert_default();
        let list = if is_init { &mut status.init_container_statuses } else { &mut status.container_statuses };
        let at = list.iter().position(|it| it.name == name).unwrap_or_else(|| {
            list.push(ContainerStatus { name: name.to_owned(), ..ContainerStatus::default() });
            list.len() - 1
        });
        &mut list[at]
    }

    /// How people see it who look for what is wrong: with what its probes said, unless it has just started.
    pub(crate) fn detailed_view(&self) -> PodView {
        let mut view = self.view();
        if view.message.is_empty() && view.ready < view.containers && !self.is_terminating() && view.age_seconds > 0 {
            let unready = self.unready.iter().map(|(container, why)| format!("{container} is not ready: {why}"));
            view.message = unready.collect::<Vec<_>>().join("; ");
        }
        view
    }

    /// How people see it.
    pub(crate) fn view(&self) -> PodView {
        let (ready, containers) = status::counts(&self.pod);
        PodView {
            namespace: self.pod.metadata.namespace.clone(),
            name: self.pod.metadata.name.clone(),
            owner: self.owner(),
            ip: self.pod.status.as_ref().and_then(|status| status.pod_ip.clone()).unwrap_or_default(),
            status: status::word(&self.pod),
            message: status::message(&self.pod),
            ready,
            containers,
            restarts: status::restarts(&self.pod),
            age_seconds: self.created.elapsed().as_secs(),
            meshed: self.is_meshed(),
            mesh_reason: self.mesh_reason.clone(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use leno_manifest::core::pod::{PodStatus, status::Condition};

    use super::*;

    /// A pod for the tests of controllers.
    pub(crate) fn record(mut pod: Pod, ready: bool) -> PodRecord {
        let condition = Condition {
            type_: "Ready".into(),
            status: if ready { "True" } else { "False" }.into(),
            ..Condition::default()
        };
        pod.status =
            Some(PodStatus { phase: Some(PodPhase::Running), conditions: vec![condition], ..PodStatus::default() });
        let mut record = PodRecord::new(pod, "/".into(), Ipv4Addr::LOCALHOST, String::new());
        record.ready_since = ready.then(Instant::now);
        record
    }
}
