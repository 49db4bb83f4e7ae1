//! `gateway.networking.k8s.io` TCPRoute ([v1alpha2]).
//!
//! [v1alpha2]: https://gateway-api.sigs.k8s.io/reference/specx/#tcproute

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    http_route::DefaultGateways,
    reference::{BackendShare, ParentReference},
    status::RouteStatus,
};
use crate::meta::ObjectMeta;

/// Routes the connections to a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TcpRoute {
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// Where connections go.
    pub spec: TcpRouteSpec,
    /// What became of it; written by Leno.
    pub status: Option<RouteStatus>,
}

/// `spec` of a [`TcpRoute`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TcpRouteSpec {
    /// What it attaches to.
    #[serde(default)]
    pub parent_refs: Vec<ParentReference>,
    /// For gateways.
    pub use_default_gateways: Option<DefaultGateways>,
    /// The rules; there is nothing to choose by, so the first takes every connection.
    pub rules: Vec<StreamRouteRule>,
}

/// Where connections go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StreamRouteRule {
    /// Its name, unique in the route.
    pub name: Option<String>,
    /// Where they go, each with its share; at least one.
    pub backend_refs: Vec<BackendShare>,
}
