//! `gateway.networking.k8s.io` GRPCRoute ([v1]).
//!
//! [v1]: https://gateway-api.sigs.k8s.io/reference/spec/#grpcroute

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    filter::{HeaderModifier, RequestMirror},
    http_route::{DefaultGateways, NamedMatch, ValueMatchType},
    reference::{BackendReference, LocalReference, ParentReference, one},
    session::SessionPersistence,
    status::RouteStatus,
};
use crate::meta::ObjectMeta;

/// Routes gRPC calls to a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GrpcRoute {
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// Which calls go where.
    #[serde(default)]
    pub spec: GrpcRouteSpec,
    /// What became of it; written by Leno.
    pub status: Option<RouteStatus>,
}

/// `spec` of a [`GrpcRoute`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GrpcRouteSpec {
    /// What it attaches to.
    #[serde(default)]
    pub parent_refs: Vec<ParentReference>,
    /// For gateways; without a meaning where the parent is a Service (GEP-1294).
    #[serde(default)]
    pub hostnames: Vec<String>,
    /// For gateways.
    pub use_default_gateways: Option<DefaultGateways>,
    /// The rules; one that takes every call and sends it nowhere when not given.
    #[serde(default)]
    pub rules: Vec<GrpcRouteRule>,
}

/// What happens to some of the calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GrpcRouteRule {
    /// Its name, unique in the route.
    pub name: Option<String>,
    /// The calls: those that fit one of these; every call when not given.
    #[serde(default)]
    pub matches: Vec<GrpcRouteMatch>,
    /// What is done with them on their way.
    #[serde(default)]
    pub filters: Vec<GrpcRouteFilter>,
    /// Where they go, each with its share.
    #[serde(default)]
    pub backend_refs: Vec<GrpcBackendShare>,
    /// How those of one session are kept together.
    pub session_persistence: Option<SessionPersistence>,
}

/// Some calls: a call fits when all that is given fits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GrpcRouteMatch {
    /// The service and method that are called; any when not given.
    pub method: Option<GrpcMethodMatch>,
    /// Its headers (metadata); all of them must fit.
    #[serde(default)]
    pub headers: Vec<NamedMatch>,
}

/// A service, a method, or both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GrpcMethodMatch {
    /// How they are compared.
    #[serde(rename = "type", default)]
    pub kind: ValueMatchType,
    /// The service with its package: `shop.Cart`; any when not given.
    pub service: Option<String>,
    /// The method; any when not given.
    pub method: Option<String>,
}

/// One thing that is done with calls. `type` says what; the field of that name says how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GrpcRouteFilter {
    /// What is done.
    #[serde(rename = "type")]
    pub kind: GrpcFilterType,
    /// Headers of the call are changed.
    pub request_header_modifier: Option<HeaderModifier>,
    /// Headers of the answer are changed.
    pub response_header_modifier: Option<HeaderModifier>,
    /// A copy of the call is sent elsewhere too.
    pub request_mirror: Option<RequestMirror>,
    /// Something that an implementation brings; Leno brings nothing.
    pub extension_ref: Option<LocalReference>,
}

/// What a [`GrpcRouteFilter`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields of the same names say it")]
pub enum GrpcFilterType {
    ResponseHeaderModifier,
    RequestHeaderModifier,
    RequestMirror,
    ExtensionRef,
}

/// A share of the calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GrpcBackendShare {
    /// Where they go.
    #[serde(flatten)]
    pub backend: BackendReference,
    /// The share in relation to the others'; 0 sends it nothing.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub weight: u32,
    /// What is done with these alone on their way.
    #[serde(default)]
    pub filters: Vec<GrpcRouteFilter>,
}
