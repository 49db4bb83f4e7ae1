//! What is done with requests on their way ([HTTPRouteFilter]).
//!
//! [HTTPRouteFilter]: https://gateway-api.sigs.k8s.io/reference/spec/#httproutefilter

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reference::{BackendReference, LocalReference};

/// One thing that is done with requests. `type` says what; the field of that name says how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteFilter {
    /// What is done.
    #[serde(rename = "type")]
    pub kind: HttpFilterType,
    /// Headers of the request are changed.
    pub request_header_modifier: Option<HeaderModifier>,
    /// Headers of the answer are changed.
    pub response_header_modifier: Option<HeaderModifier>,
    /// A copy of the request is sent elsewhere too.
    pub request_mirror: Option<RequestMirror>,
    /// The request is answered with a redirect.
    pub request_redirect: Option<RequestRedirect>,
    /// The request's host or path is changed.
    pub url_rewrite: Option<UrlRewrite>,
    /// What pages of other origins may do.
    pub cors: Option<Cors>,
    /// Another service is asked whether the request may pass.
    pub external_auth: Option<ExternalAuth>,
    /// Something that an implementation brings; Leno brings nothing.
    pub extension_ref: Option<LocalReference>,
}

/// What an [`HttpRouteFilter`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields of the same names say it")]
pub enum HttpFilterType {
    RequestHeaderModifier,
    ResponseHeaderModifier,
    RequestMirror,
    RequestRedirect,
    #[serde(rename = "URLRewrite")]
    UrlRewrite,
    ExtensionRef,
    #[serde(rename = "CORS")]
    Cors,
    ExternalAuth,
}

/// Changes to headers: first those of `remove` go, then those of `set` and `add` come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeaderModifier {
    /// Headers that get this value and no other.
    #[serde(default)]
    pub set: Vec<HttpHeader>,
    /// Values that are added to those there are.
    #[serde(default)]
    pub add: Vec<HttpHeader>,
    /// Headers that are taken away.
    #[serde(default)]
    pub remove: Vec<String>,
}

/// A header and its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpHeader {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// Sends copies of requests elsewhere too; what is answered to them is thrown away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestMirror {
    /// Where the copies go.
    pub backend_ref: BackendReference,
    /// How many of a hundred requests are copied; all when neither this nor `fraction` is given.
    #[schemars(range(min = 0, max = 100))]
    pub percent: Option<u32>,
    /// Which part of the requests is copied.
    pub fraction: Option<Fraction>,
}

/// A part of a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Fraction {
    /// How many.
    pub numerator: u32,
    /// Of how many.
    #[serde(default = "hundred")]
    #[schemars(range(min = 1))]
    pub denominator: u32,
}

fn hundred() -> u32 {
    100
}

/// Answers with a redirect; what is not given stays as the request has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestRedirect {
    /// The scheme.
    pub scheme: Option<RedirectScheme>,
    /// The host.
    pub hostname: Option<String>,
    /// The path.
    pub path: Option<PathModifier>,
    /// The port. When it is not given, that of the scheme, or without a scheme the one that was called.
    pub port: Option<u16>,
    /// The status: 301, 302 (when not given), 303, 307 or 308.
    pub status_code: Option<u16>,
}

/// A scheme that is redirected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RedirectScheme {
    /// `http`
    Http,
    /// `https`
    Https,
}

/// Changes the host or path that the backend is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UrlRewrite {
    /// The host.
    pub hostname: Option<String>,
    /// The path.
    pub path: Option<PathModifier>,
}

/// Another path. `type` says which of the two fields is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PathModifier {
    /// What is replaced.
    #[serde(rename = "type")]
    pub kind: PathModifierType,
    /// In place of the whole path.
    pub replace_full_path: Option<String>,
    /// In place of the prefix that fitted.
    pub replace_prefix_match: Option<String>,
}

/// What a [`PathModifier`] replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PathModifierType {
    /// The whole path.
    ReplaceFullPath,
    /// The prefix that fitted.
    ReplacePrefixMatch,
}

/// What pages of other origins may do (GEP-1767).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cors {
    /// The origins: `https://example.org`, `https://*.example.org`, or `*` alone.
    #[serde(default)]
    pub allow_origins: Vec<String>,
    /// Whether requests may carry credentials.
    pub allow_credentials: Option<bool>,
    /// The methods, or `*` alone.
    #[serde(default)]
    pub allow_methods: Vec<CorsMethod>,
    /// The headers of requests, or `*` alone.
    #[serde(default)]
    pub allow_headers: Vec<String>,
    /// The headers of answers that a page may read, or `*`.
    #[serde(default)]
    pub expose_headers: Vec<String>,
    /// For how many seconds a browser may remember this; 5 when not given.
    #[schemars(range(min = 1))]
    pub max_age: Option<u32>,
}

/// A method, or any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the names say it")]
pub enum CorsMethod {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Connect,
    Options,
    Trace,
    Patch,
    /// Any method.
    #[serde(rename = "*")]
    Any,
}

impl CorsMethod {
    /// Every method; `Any` is none.
    pub const ALL: [Self; 9] = [
        Self::Get,
        Self::Head,
        Self::Post,
        Self::Put,
        Self::Delete,
        Self::Connect,
        Self::Options,
        Self::Trace,
        Self::Patch,
    ];

    /// The method as it is sent; `*` for any.
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
            Self::Any => "*",
        }
    }
}

/// Another service is asked whether a request may pass (GEP-1494).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalAuth {
    /// How it is asked.
    pub protocol: ExternalAuthProtocol,
    /// Who is asked.
    pub backend_ref: BackendReference,
    /// More, for gRPC.
    pub grpc: Option<GrpcAuth>,
    /// More, for HTTP.
    pub http: Option<HttpAuth>,
    /// Whether the body is sent as well.
    pub forward_body: Option<ForwardBody>,
}

/// How a service is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum ExternalAuthProtocol {
    /// By a plain request.
    Http,
    /// By Envoy's `ext_authz`.
    Grpc,
}

/// How a service is asked by gRPC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GrpcAuth {
    /// The headers that it is told.
    #[serde(default)]
    pub allowed_headers: Vec<String>,
}

/// How a service is asked by HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpAuth {
    /// The beginning of the path.
    pub path: Option<String>,
    /// The headers that it is told.
    #[serde(default)]
    pub allowed_headers: Vec<String>,
    /// The headers of its answer that are passed on.
    #[serde(default)]
    pub allowed_response_headers: Vec<String>,
}

/// How much of a body is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ForwardBody {
    /// The most bytes.
    #[schemars(range(max = 65535))]
    pub max_size: Option<u32>,
}
