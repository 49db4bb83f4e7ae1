//! A cluster and the endpoints that there are to choose from.

use std::{rc::Rc, sync::Arc};

use leno_api::explain::{Branch, Endpoint as Told};
use leno_engine::balance::{LoadBalancer, Target as _, TargetHealth};

use super::refusal;
use crate::{
    config::{Cluster, ClusterKind, Endpoint, Security, Wanted},
    connection::Connection,
    dns,
    error::ErrorKind,
};

/// Tells of the cluster that a request goes to, and of who may get it.
pub(crate) async fn place(
    connection: &Rc<Connection>,
    cluster: &Arc<Cluster>,
    wanted: &Wanted<'_>,
    branch: &mut Branch,
) {
    branch.cluster = cluster.name.to_string();
    branch.service = cluster.service.to_string();
    branch.objects = cluster.origins.iter().map(ToString::to_string).collect();
    branch.settings.push(format!("connections within {:?}", cluster.connect_timeout));
    // Names are looked up from the first use on.
    dns::watch(&connection.worker, cluster);
    let set = cluster.endpoints(connection.destination()).await;
    let candidates = match &cluster.kind {
        ClusterKind::OriginalDst(_) => set.endpoints.clone(),
        ClusterKind::Static(_) | ClusterKind::Eds(_) | ClusterKind::Dns(_) => {
            if set.endpoints.len() > 1 {
                branch.settings.push(balancer(&cluster.balancing.policy).to_owned());
            }
            connection.worker.balancers.candidates(cluster, Arc::clone(&set), wanted)
        }
    };
    let tell = |endpoint: &Arc<Endpoint>| {
        let candidate = candidates.iter().any(|other| Arc::ptr_eq(endpoint, other));
        told(cluster, endpoint, candidate)
    };
    branch.endpoints = set.endpoints.iter().map(tell).collect();
    if candidates.is_empty() {
        branch.refusals.push(refusal(&ErrorKind::NoHealthyUpstream.into()));
    }
}

fn told(cluster: &Cluster, endpoint: &Endpoint, candidate: bool) -> Told {
    let (workload, standing) = (&endpoint.workload, &endpoint.standing);
    let locality = &standing.locality;
    let (identities, own_tls) = match &cluster.transport(endpoint).security {
        Security::Plain => (Vec::new(), false),
        Security::MeshTls(tls) => (tls.identities.iter().map(ToString::to_string).collect(), false),
        Security::Tls(_) | Security::Named(_) => (Vec::new(), true),
    };
    let places = [&locality.region, &locality.zone, &locality.sub_zone];
    let last = places.iter().rposition(|place| !place.is_empty()).map_or(0, |last| last + 1);
    Told {
        address: endpoint.address.to_string(),
        namespace: workload.namespace.to_string(),
        pod: workload.pod.to_string(),
        workload: workload.workload.to_string(),
        candidate,
        health: health(endpoint).to_owned(),
        ejected: endpoint.outlier.is_ejected(),
        weight: endpoint.weight,
        priority: standing.priority,
        locality: places.iter().take(last).map(|place| &***place).collect::<Vec<_>>().join("/"),
        identities,
        own_tls,
    }
}

/// An endpoint's health in a word.
pub(crate) fn health(endpoint: &Endpoint) -> &'static str {
    match endpoint.health() {
        TargetHealth::Healthy => "healthy",
        TargetHealth::Degraded => "degraded",
        TargetHealth::Unhealthy => "unhealthy",
        TargetHealth::Unknown => "unknown",
    }
}

/// How an endpoint is chosen, in words.
fn balancer(policy: &LoadBalancer) -> &'static str {
    match policy {
        LoadBalancer::LeastRequest { .. } => "the least loaded endpoint of those compared",
        LoadBalancer::RoundRobin { .. } => "endpoints in turn",
        LoadBalancer::Random => "endpoints at random",
        LoadBalancer::PeakEwma(_) => "the endpoint that is likely to answer first",
        LoadBalancer::RingHash(..) => "the endpoint that the request's hash leads to on a ring",
        LoadBalancer::Maglev(..) => "the endpoint that the request's hash leads to in a Maglev table",
    }
}
