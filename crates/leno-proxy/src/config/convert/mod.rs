//! xDS resources → runtime types. What is not supported is refused with the field's name, never ignored.

use leno_model::Invalid;
use leno_proto::envoy::config::{
    cluster::v3::Cluster as ClusterProto, endpoint::v3::ClusterLoadAssignment,
    listener::v3::Listener as ListenerProto, route::v3::RouteConfiguration,
};

use super::{Cluster, EndpointSet, Listener, Registry, Routes};

/// A listener.
///
/// # Errors
/// Every field that is not supported or not legal.
pub fn listener(
    resource: &ListenerProto,
    registry: &mut Registry,
) -> Result<Listener, Vec<Invalid>> {
    let _ = (resource, registry);
    Err(Vec::new())
}

/// A route configuration.
///
/// # Errors
/// Every field that is not supported or not legal.
pub fn routes(
    resource: &RouteConfiguration,
    registry: &mut Registry,
) -> Result<Routes, Vec<Invalid>> {
    let _ = (resource, registry);
    Err(Vec::new())
}

/// A cluster.
///
/// # Errors
/// Every field that is not supported or not legal.
pub fn cluster(resource: &ClusterProto, registry: &mut Registry) -> Result<Cluster, Vec<Invalid>> {
    let _ = (resource, registry);
    Err(Vec::new())
}

/// The endpoints of a cluster; those that did not change are taken over from `previous`.
///
/// # Errors
/// Every field that is not supported or not legal.
pub fn endpoints(
    resource: &ClusterLoadAssignment,
    previous: Option<&EndpointSet>,
) -> Result<EndpointSet, Vec<Invalid>> {
    let _ = (resource, previous);
    Err(Vec::new())
}
