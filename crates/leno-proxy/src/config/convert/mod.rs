//! xDS resources → runtime types. What is not supported is refused with the field's name, never ignored.

mod access_log;
mod action;
mod breaker;
mod chain;
mod check;
mod cluster;
mod endpoint;
mod filter;
mod fraction;
mod guard;
mod hash_policy;
mod header;
mod health_check;
mod ignored;
mod label;
pub(crate) mod limit;
mod listener;
mod load_balancer;
mod manager;
mod matcher;
mod metadata;
mod mirror;
mod outlier;
mod rate_limit;
mod rbac;
mod retry;
mod retry_host;
mod route;
mod service;
mod tcp;
#[cfg(test)]
mod tests;
mod tls;

use leno_model::Invalid;
use leno_proto::v3::{
    cluster::Cluster as ClusterProto, endpoint::ClusterLoadAssignment, listener::Listener as ListenerProto,
    route::RouteConfiguration,
};

use self::check::Check;
pub(crate) use self::endpoint::locality;
pub use self::ignored::{IGNORED, Ignored};
use super::{Cluster, EndpointSet, Listener, Registry, Routes};

/// What every refusal of a field says that Leno does not have; other refusals are about values.
pub const UNSUPPORTED: &str = "Leno does not support it";

/// A listener.
///
/// # Errors
/// Every field that is not supported or not legal.
pub fn listener(resource: &ListenerProto, registry: &mut Registry) -> Result<Listener, Vec<Invalid>> {
    let mut check = Check::new("Listener", &resource.name);
    let made = listener::convert(&mut check, resource.clone(), registry);
    check.finish(made)
}

/// A route configuration.
///
/// # Errors
/// Every field that is not supported or not legal.
pub fn routes(resource: &RouteConfiguration, registry: &mut Registry) -> Result<Routes, Vec<Invalid>> {
    let mut check = Check::new("RouteConfiguration", &resource.name);
    let made = route::convert(&mut check, "", resource.clone(), registry);
    check.finish(made)
}

/// A cluster.
///
/// # Errors
/// Every field that is not supported or not legal.
pub fn cluster(resource: &ClusterProto, registry: &mut Registry) -> Result<Cluster, Vec<Invalid>> {
    let mut check = Check::new("Cluster", &resource.name);
    let made = cluster::convert(&mut check, resource.clone(), registry);
    check.finish(made)
}

/// The endpoints of a cluster; those that did not change are taken over from `previous`.
///
/// # Errors
/// Every field that is not supported or not legal.
pub fn endpoints(
    resource: &ClusterLoadAssignment,
    previous: Option<&EndpointSet>,
) -> Result<EndpointSet, Vec<Invalid>> {
    let mut check = Check::new("ClusterLoadAssignment", &resource.cluster_name);
    let made = endpoint::convert(&mut check, "", resource.clone(), previous);
    check.finish(made)
}

/// What is left of a message from which everything supported was taken: each field of it is refused.
pub fn leftover<M: prost::Message + prost::Name + Default + PartialEq + std::fmt::Debug>(message: &M) -> Vec<Invalid> {
    let mut check = Check::new(M::NAME, "");
    check.rest("", message);
    let wrong = check.finish(Some(())).err().unwrap_or_default();
    // It is a part of something, and has no name.
    wrong.into_iter().map(|error| Invalid { object: None, ..error }).collect()
}
