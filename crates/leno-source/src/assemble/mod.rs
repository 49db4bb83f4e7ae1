//! Objects to a snapshot: what they mean together. Pure.
//!
//! Where something cannot be resolved the outcome is the narrower one: an access rule that names a missing route lets
//! nothing through by it, and an endpoint whose pod is not known gets no traffic.

mod access;
mod access_policy;
mod backend_tls;
mod condition;
mod egress;
mod http_match;
mod route;
mod service;
mod split;
mod target;
mod tls;
mod traffic;
mod workload;

use std::sync::Arc;

use leno_manifest::leno::{MeshConfig, mesh_config};
use leno_model::{Invalid, Snapshot};

use crate::{Attachment, Note, Objects, status::RouteCondition};

/// What objects mean together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assembly {
    /// The mesh, of version 0.
    pub snapshot: Snapshot,
    /// What names something that is not there, or breaks a rule that concerns several objects.
    pub invalid: Vec<Invalid>,
    /// What is probably not what was meant.
    pub notes: Vec<Note>,
    /// How policies stand towards what they are attached to.
    pub attachments: Vec<Attachment>,
    /// What became of each route that has to do with the mesh, and of each BackendTLSPolicy.
    pub routes: Vec<RouteCondition>,
}

/// What is told besides the snapshot.
#[derive(Debug, Default)]
pub(crate) struct Remarks {
    pub(crate) invalid: Vec<Invalid>,
    pub(crate) notes: Vec<Note>,
    pub(crate) attachments: Vec<Attachment>,
}

/// What the objects mean together. The same objects always give the same assembly.
#[must_use]
pub fn assemble(objects: &Objects) -> Assembly {
    let mut remarks = Remarks::default();
    let config = objects.find::<MeshConfig>("", mesh_config::NAME);
    let workloads = workload::all(objects);
    let mut services = service::all(objects, &workloads, &mut remarks);
    let (backend_tls, judged) = backend_tls::all(objects, &mut remarks);
    let traffic_policies = traffic::all(objects, backend_tls, &mut services, &mut remarks);
    let (mut routes, mut conditions) = route::all(objects, &services, &mut remarks);
    traffic::of_routes(objects, &services, &mut routes, &mut remarks);
    conditions.extend(backend_tls::conditions(judged, &remarks));
    let splits = split::all(objects, &routes, &mut remarks);
    let said_of_tls = traffic_policies.values().flatten().filter_map(|policy| policy.settings.tls.as_ref());
    let egress_policies = egress::all(objects, &mut remarks);
    let to_the_outside = egress_policies.iter().filter_map(|policy| policy.settings.tls.as_ref());
    let client_certificates = tls::pairs(objects, said_of_tls.chain(to_the_outside));
    let snapshot = Snapshot {
        version: 0,
        mesh: Arc::new(config.map(MeshConfig::to_model).unwrap_or_default()),
        services: services.into_iter().map(|it| (it.name.clone(), Arc::new(it))).collect(),
        workloads: workloads.into_iter().map(|it| (it.name.clone(), Arc::new(it.into_model()))).collect(),
        access_rules: access::all(objects, &mut remarks).into_iter().map(Arc::new).collect(),
        access_policies: access_policy::all(objects, &mut remarks).into_iter().map(Arc::new).collect(),
        egress_policies: egress_policies.into_iter().map(Arc::new).collect(),
        traffic_splits: splits.into_iter().map(Arc::new).collect(),
        routes: routes.into_iter().map(Arc::new).collect(),
        traffic_policies: traffic_policies.into_iter().map(|(name, it)| (name, Arc::new(it))).collect(),
        client_certificates,
    };
    let Remarks { invalid, notes, attachments } = remarks;
    Assembly { snapshot, invalid, notes, attachments, routes: conditions }
}
