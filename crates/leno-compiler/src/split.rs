//! Traffic splits: where the requests to a service port go.
//!
//! Splits are not followed: a backend stands for its own endpoints, also when it is the root of another split, or the
//! root itself. Where several splits have the same root, those with matches are tried in the order of their names, and
//! the first without matches takes the rest.

use leno_model::{
    ObjectRef, Service, ServiceName, Snapshot,
    policy::{HttpMatch, TrafficSplit},
    resource_name,
    route::StreamRule,
};

use crate::route;

/// Where requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    /// To one cluster.
    Cluster(String),
    /// To several, each with its share; at least two, all shares above 0.
    Weighted(Vec<(String, u32)>),
    /// Nowhere: no backend of this split takes any.
    Nowhere(&'a TrafficSplit),
    /// Nowhere: no backend of a route takes any.
    Closed,
}

/// The requests that fit any of these go there.
pub(crate) struct Branch<'a> {
    pub(crate) matches: &'a [HttpMatch],
    /// The split that says so.
    pub(crate) origin: &'a ObjectRef,
    pub(crate) target: Target<'a>,
}

/// What happens to the requests to a service port.
pub(crate) struct Split<'a> {
    /// Tried in order.
    pub(crate) branches: Vec<Branch<'a>>,
    /// For what fits none; also where bytes go.
    pub(crate) rest: Target<'a>,
    /// The split that says so, if one does.
    pub(crate) rest_origin: Option<&'a ObjectRef>,
}

/// What happens to the requests to a service port.
pub(crate) fn split<'a>(snapshot: &'a Snapshot, root: &Service, port: u16) -> Split<'a> {
    let itself = Target::Cluster(resource_name::service_port(&root.name, port));
    let mut split = Split { branches: Vec::new(), rest: itself, rest_origin: None };
    let of_root = |split: &&TrafficSplit| split.root == root.name;
    let mut splits = snapshot.traffic_splits.iter().map(|split| &**split).filter(of_root);
    let mut total = None;
    for each in splits.by_ref() {
        if each.matches.is_empty() {
            total.get_or_insert(each);
        } else {
            let (matches, target) = (&each.matches[..], target(snapshot, each, port));
            split.branches.push(Branch { matches, origin: &each.origin, target });
        }
    }
    if let Some(total) = total {
        split.rest = target(snapshot, total, port);
        split.rest_origin = Some(&total.origin);
    }
    split
}

/// Where a rule of a Gateway API route sends connections. What it cannot reach closes its share of them.
pub(crate) fn of_streams(rule: &StreamRule) -> Target<'static> {
    let shares = rule.shares.iter().filter(|share| share.weight.0 > 0);
    let cluster = |backend: &leno_model::route::Backend| match backend {
        leno_model::route::Backend::Service(..) => route::cluster(backend),
        leno_model::route::Backend::Unresolved => resource_name::BLACKHOLE.to_owned(),
    };
    let mut shares: Vec<_> = shares.map(|share| (cluster(&share.backend), share.weight.0)).collect();
    match shares.len() {
        0 => Target::Closed,
        1 => Target::Cluster(shares.remove(0).0),
        _ => Target::Weighted(fitting(shares)),
    }
}

fn target<'a>(snapshot: &Snapshot, split: &'a TrafficSplit, port: u16) -> Target<'a> {
    let has_port =
        |service: &ServiceName| snapshot.services.get(service).is_some_and(|service| service.port(port).is_some());
    let mut shares: Vec<(String, u32)> = Vec::new();
    for backend in &split.backends {
        if backend.weight.0 == 0 || !has_port(&backend.service) {
            continue;
        }
        let cluster = resource_name::service_port(&backend.service, port);
        match shares.iter_mut().find(|(name, _)| *name == cluster) {
            Some((_, weight)) => *weight = weight.saturating_add(backend.weight.0),
            None => shares.push((cluster, backend.weight.0)),
        }
    }
    match shares.len() {
        0 => Target::Nowhere(split),
        1 => Target::Cluster(shares.remove(0).0),
        _ => Target::Weighted(fitting(shares)),
    }
}

/// Weights whose sum fits 32 bits, as Envoy demands; shares are kept as nearly as can be.
fn fitting(shares: Vec<(String, u32)>) -> Vec<(String, u32)> {
    let sum: u64 = shares.iter().map(|(_, weight)| u64::from(*weight)).sum();
    let divisor = sum / u64::from(u32::MAX) + 1;
    if divisor == 1 {
        return shares;
    }
    let scaled = |weight: u32| u32::try_from(u64::from(weight) / divisor).unwrap_or(u32::MAX).max(1);
    shares.into_iter().map(|(name, weight)| (name, scaled(weight))).collect()
}
