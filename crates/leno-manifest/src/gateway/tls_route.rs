//! `gateway.networking.k8s.io` TLSRoute ([v1]).
//!
//! [v1]: https://gateway-api.sigs.k8s.io/reference/spec/#tlsroute

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{http_route::DefaultGateways, reference::ParentReference, status::RouteStatus, tcp_route::StreamRouteRule};
use crate::meta::ObjectMeta;

/// Routes the TLS connections to a Service by the name that they ask for; they are passed on as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TlsRoute {
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// Which connections go where.
    pub spec: TlsRouteSpec,
    /// What became of it; written by Leno.
    pub status: Option<RouteStatus>,
}

/// `spec` of a [`TlsRoute`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TlsRouteSpec {
    /// What it attaches to.
    #[serde(default)]
    pub parent_refs: Vec<ParentReference>,
    /// The names (SNI) of the connections: `example.org`, or `*.example.org`; at least one.
    pub hostnames: Vec<String>,
    /// For gateways.
    pub use_default_gateways: Option<DefaultGateways>,
    /// Where they go; one rule.
    pub rules: Vec<StreamRouteRule>,
}
