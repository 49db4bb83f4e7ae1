//! Everything of the mesh that changes.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    time::Duration,
};

use leno_api::runner::{MeshView, ServiceView};
use leno_manifest::{
    Kind, Object, ObjectKey,
    core::{EndpointSlice, Service},
    leno::MeshConfig,
};
use leno_model::{ServiceName, WorkloadName};

use super::{
    clock,
    controller::{endpoint_slice::is_behind, service_address::ServiceAddresses},
    pods::{PodRecord, Stop},
    route_status::RouteStatuses,
    standing::Standings,
    store::Store,
};
use crate::sandbox;

/// Everything of the mesh that changes.
#[derive(Default)]
pub(crate) struct State {
    /// What was written.
    pub(crate) store: Store,
    /// What runs.
    pub(crate) pods: BTreeMap<WorkloadName, PodRecord>,
    /// The services with their addresses.
    pub(crate) services: BTreeMap<ServiceName, Service>,
    /// The slices of the services, by namespace and name.
    pub(crate) slices: BTreeMap<(String, String), EndpointSlice>,
    /// Deployments and StatefulSets with their status.
    pub(crate) workloads: BTreeMap<ObjectKey, Object>,
    /// Which service has which address.
    pub(crate) addresses: ServiceAddresses,
    /// The pod address that was given out last.
    last_pod_address: Option<Ipv4Addr>,
    /// Where services can be reached from the host.
    pub(crate) published: BTreeMap<ServiceName, Vec<String>>,
    /// What is wrong with the watched files as they are now.
    pub(crate) file_problems: Vec<String>,
    /// What the control plane says is wrong with objects.
    pub(crate) object_problems: Vec<String>,
    /// How policies stand towards what they are attached to.
    pub(crate) standings: Standings,
    /// What became of routes.
    pub(crate) routes: RouteStatuses,
    /// What the controllers found wrong.
    pub(crate) controller_problems: Vec<String>,
    /// What was last told to be wrong.
    pub(crate) told_problems: Vec<String>,
    /// Whether the control plane answers.
    pub(crate) control_ready: bool,
    /// Whether the control plane has ever answered: its root certificate is there since.
    pub(crate) control_started: bool,
    /// Whether everything wanted is ready.
    pub(crate) ready: bool,
    /// Whether the mesh is stopping.
    pub(crate) stopping: bool,
}

impl State {
    /// An address for a new pod: the next that no pod has, so that an address comes back as late as can be. `None` when
    /// there are 65 000 pods.
    pub(crate) fn pod_address(&mut self) -> Option<Ipv4Addr> {
        let first = u32::from(sandbox::FIRST_POD);
        let last = u32::from_be_bytes([10, 244, 255, 254]);
        let taken: BTreeSet<Ipv4Addr> = self.pods.values().map(|record| record.address).collect();
        let start = self.last_pod_address.map_or(first, |address| u32::from(address) + 1);
        let free = (start..=last).chain(first..=last).map(Ipv4Addr::from).find(|address| !taken.contains(address))?;
        self.last_pod_address = Some(free);
        Some(free)
    }

    /// Tells a pod to end, within this time if it is shorter than its own grace period.
    pub(crate) fn terminate(&mut self, name: &WorkloadName, at_most: Option<Duration>) {
        let Some(record) = self.pods.get_mut(name) else { return };
        let seconds = record.pod.spec.termination_grace_period_seconds.unwrap_or(30);
        let own = Duration::from_secs(seconds.into());
        let grace = at_most.map_or(own, |most| most.min(own));
        let metadata = &mut record.pod.metadata;
        metadata.deletion_timestamp.get_or_insert_with(clock::now_text);
        metadata.deletion_grace_period_seconds = i64::try_from(grace.as_secs()).ok();
        record.stop.send_if_modified(|stop| {
            let is_sooner = match *stop {
                Stop::Run => true,
                Stop::Graceful(before) => grace < before,
                Stop::Now => false,
            };
            if is_sooner {
                *stop = Stop::Graceful(grace);
            }
            is_sooner
        });
    }

    /// Whether any other pod than this one has a sidecar, which may know of it.
    pub(crate) fn has_sidecars_beside(&self, name: &WorkloadName) -> bool {
        self.pods.iter().any(|(other, record)| other != name && record.is_meshed())
    }

    /// The settings of the mesh.
    pub(crate) fn mesh_config(&self) -> Option<&MeshConfig> {
        self.store.of(Kind::MeshConfig).find_map(|written| match &*written.object {
            Object::MeshConfig(config) => Some(&**config),
            _ => None,
        })
    }

    /// An object as it is now: as written, with the status that the runner knows; generated ones too.
    pub(crate) fn objects(&self) -> BTreeMap<ObjectKey, Object> {
        let mut objects: BTreeMap<ObjectKey, Object> =
            self.store.all().map(|(key, written)| (key.clone(), (*written.object).clone())).collect();
        objects.retain(|key, _| key.kind != Kind::Pod);
        objects.extend(self.workloads.iter().map(|(key, object)| (key.clone(), object.clone())));
        let generated = (self.services.values().cloned().map(Object::from))
            .chain(self.slices.values().cloned().map(Object::from))
            .chain(self.pods.values().map(|record| Object::from(record.pod.clone())));
        objects.extend(generated.map(|object| (object.key(), object)));
        objects
    }

    /// The same as people see it: routes with what became of them. (The control plane says that, and is not told.)
    pub(crate) fn shown_objects(&self) -> BTreeMap<ObjectKey, Object> {
        let mut objects = self.objects();
        objects.iter_mut().for_each(|(key, object)| self.routes.show(key, object));
        objects
    }

    /// Everything that is wrong now.
    pub(crate) fn problems(&self) -> Vec<String> {
        let all = self.file_problems.iter().chain(&self.controller_problems).chain(&self.object_problems);
        all.cloned().collect()
    }

    /// How people see the mesh; name, age and traffic are the caller's to add.
    pub(crate) fn view(&self) -> MeshView {
        MeshView {
            version: env!("CARGO_PKG_VERSION").into(),
            ready: self.ready,
            control_ready: self.control_ready,
            pods: self.pods.values().map(PodRecord::detailed_view).collect(),
            services: self.services.iter().map(|(name, service)| self.service_view(name, service)).collect(),
            invalid: self.problems(),
            ..MeshView::default()
        }
    }

    fn service_view(&self, name: &ServiceName, service: &Service) -> ServiceView {
        let behind = || self.pods.values().filter(|record| is_behind(service, &record.pod) && !record.has_ended());
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let port = |port: &leno_manifest::core::service::ServicePort| match &port.target_port {
            Some(target) if target.to_string() != port.port.to_string() => format!("{}→{target}", port.port),
            _ => port.port.to_string(),
        };
        ServiceView {
            namespace: name.namespace.clone(),
            name: name.name.clone(),
            cluster_ip: service.spec.cluster_ip.clone().unwrap_or_default(),
            ports: service.spec.ports.iter().map(port).collect(),
            ready: count(behind().filter(|record| record.is_ready() && !record.is_terminating()).count()),
            instances: count(behind().filter(|record| !record.is_terminating()).count()),
            published: self.published.get(name).cloned().unwrap_or_default(),
            traffic: None,
        }
    }
}
