//! `gateway.networking.k8s.io` HTTPRoute ([v1]).
//!
//! [v1]: https://gateway-api.sigs.k8s.io/reference/spec/#httproute

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    filter::HttpRouteFilter,
    reference::{BackendReference, ParentReference, one},
    session::SessionPersistence,
    status::RouteStatus,
};
use crate::meta::ObjectMeta;

/// Routes HTTP requests to a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpRoute {
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// Which requests go where.
    pub spec: HttpRouteSpec,
    /// What became of it; written by Leno.
    pub status: Option<RouteStatus>,
}

/// `spec` of an [`HttpRoute`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteSpec {
    /// What it attaches to.
    #[serde(default)]
    pub parent_refs: Vec<ParentReference>,
    /// For gateways; without a meaning where the parent is a Service (GEP-1294).
    #[serde(default)]
    pub hostnames: Vec<String>,
    /// For gateways.
    pub use_default_gateways: Option<DefaultGateways>,
    /// The rules; one that takes every request and sends it nowhere when not given.
    #[serde(default)]
    pub rules: Vec<HttpRouteRule>,
}

/// Which gateways a route without parents attaches to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DefaultGateways {
    /// The default ones.
    All,
    /// None.
    None,
}

/// What happens to some of the requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteRule {
    /// Its name, unique in the route.
    pub name: Option<String>,
    /// The requests: those that fit one of these; every request when not given.
    #[serde(default)]
    pub matches: Vec<HttpRouteMatch>,
    /// What is done with them on their way.
    #[serde(default)]
    pub filters: Vec<HttpRouteFilter>,
    /// Where they go, each with its share.
    #[serde(default)]
    pub backend_refs: Vec<HttpBackendShare>,
    /// How long they may take.
    pub timeouts: Option<HttpRouteTimeouts>,
    /// When they are sent again.
    pub retry: Option<HttpRouteRetry>,
    /// How those of one session are kept together.
    pub session_persistence: Option<SessionPersistence>,
}

/// Some requests: a request fits when all that is given fits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteMatch {
    /// Its path, the query not counted; any when not given.
    pub path: Option<HttpPathMatch>,
    /// Its headers; all of them must fit.
    #[serde(default)]
    pub headers: Vec<NamedMatch>,
    /// The parameters of its query; all of them must fit.
    #[serde(default)]
    pub query_params: Vec<NamedMatch>,
    /// Its method; any when not given.
    pub method: Option<HttpMethod>,
}

/// A path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpPathMatch {
    /// How it is compared.
    #[serde(rename = "type", default)]
    pub kind: PathMatchType,
    /// What it is compared with.
    #[serde(default = "root")]
    pub value: String,
}

fn root() -> String {
    "/".into()
}

/// How paths are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PathMatchType {
    /// The whole path.
    Exact,
    /// The path's beginning, step by step: `/a` fits `/a` and `/a/b`, not `/ab`.
    #[default]
    PathPrefix,
    /// A regular expression (RE2) that the whole path must fit.
    RegularExpression,
}

/// A header or a parameter of the query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamedMatch {
    /// How its value is compared.
    #[serde(rename = "type", default)]
    pub kind: ValueMatchType,
    /// Its name.
    pub name: String,
    /// What its value is compared with.
    pub value: String,
}

/// How values are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ValueMatchType {
    /// The whole value.
    #[default]
    Exact,
    /// A regular expression (RE2) that the whole value must fit.
    RegularExpression,
}

/// A method of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the names say it")]
pub enum HttpMethod {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Connect,
    Options,
    Trace,
    Patch,
}

impl HttpMethod {
    /// The method as it is sent.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
            Self::Options => "OPTIONS",
            Self::Trace => "TRACE",
            Self::Patch => "PATCH",
        }
    }
}

/// A share of the requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpBackendShare {
    /// Where they go.
    #[serde(flatten)]
    pub backend: BackendReference,
    /// The share in relation to the others'; 0 sends it nothing.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub weight: u32,
    /// What is done with these alone on their way.
    #[serde(default)]
    pub filters: Vec<HttpRouteFilter>,
}

/// How long requests may take; `0s` is for ever.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteTimeouts {
    /// A request with all its tries.
    pub request: Option<String>,
    /// One try.
    pub backend_request: Option<String>,
}

/// When requests are sent again (GEP-1731).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteRetry {
    /// The statuses after which they are; after a connection that failed they are as well.
    #[serde(default)]
    pub codes: Vec<u16>,
    /// How many more tries there are at most.
    #[schemars(range(min = 0))]
    pub attempts: Option<u32>,
    /// How long to wait at least before the next.
    pub backoff: Option<String>,
}
