//! xDS resources → runtime types. What is not supported is refused with the field's name, never ignored.

mod access_log;
mod action;
mod breaker;
mod chain;
mod check;
mod cluster;
mod data_source;
mod dns;
mod endpoint;
mod filter;
mod forwarding;
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
mod local_reply;
mod manager;
mod matcher;
mod metadata;
mod mirror;
mod origin;
mod outlier;
mod protocol;
mod rate_limit;
mod rbac;
mod retry;
mod retry_host;
mod route;
mod service;
pub(crate) mod source;
mod tcp;
#[cfg(test)]
mod tests;
mod tls;

use std::sync::Arc;

use leno_model::Invalid;
use leno_proto::v3::{
    bootstrap::bootstrap::DynamicResources, cluster::Cluster as ClusterProto, endpoint::ClusterLoadAssignment,
    listener::Listener as ListenerProto, route::RouteConfiguration, tls::Secret as SecretProto,
};

use self::check::Check;
pub(crate) use self::endpoint::locality;
pub use self::ignored::{IGNORED, Ignored};
use prost::Name as _;

use super::{Cluster, EndpointSet, Listener, Registry, Routes, Secret, Slot, source::Dynamic};

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

/// Puts a secret into its slot, and again whenever its files change: those in the folder that it asks to be watched, or
/// all of them where that is usual.
///
/// # Errors
/// Every field that is not supported or not legal, and what is wrong with the files; the slot stays as it is.
pub fn secret(
    resource: &SecretProto,
    slot: &Arc<Slot<Secret>>,
    registry: &mut Registry,
    watch: Watch,
) -> Result<(), Vec<Invalid>> {
    let mut check = Check::new("Secret", &resource.name);
    let recipe = tls::secret::Recipe::of(&mut check, "", resource.clone());
    let clean = check.is_clean();
    let made = recipe.filter(|_| clean).map(|recipe| {
        let folders = match (recipe.watched(), watch) {
            (Some(folder), _) => vec![folder],
            (None, Watch::Always) => recipe.folders(),
            (None, Watch::WhenAsked) => Vec::new(),
        };
        recipe.keep(&mut check, &resource.name, slot, &folders, registry);
    });
    check.finish(made)
}

/// When the files of a secret are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// Where it says so: secrets of a file.
    WhenAsked,
    /// Always: secrets of a stream.
    Always,
}

/// Where everything comes from that a file does not have.
///
/// # Errors
/// Every field that is not supported or not legal; they have no object.
pub fn dynamic(resource: DynamicResources, registry: &mut Registry) -> Result<Dynamic, Vec<Invalid>> {
    let mut check = Check::new(DynamicResources::NAME, "");
    let made = source::dynamic(&mut check, resource, registry);
    check.finish(Some(made)).map_err(nameless)
}

/// What is left of a message from which everything supported was taken: each field of it is refused.
pub fn leftover<M: prost::Message + prost::Name + Default + PartialEq + std::fmt::Debug>(message: &M) -> Vec<Invalid> {
    let mut check = Check::new(M::NAME, "");
    check.rest("", message);
    nameless(check.finish(Some(())).err().unwrap_or_default())
}

/// What is a part of something has no name.
fn nameless(wrong: Vec<Invalid>) -> Vec<Invalid> {
    wrong.into_iter().map(|error| Invalid { object: None, ..error }).collect()
}
