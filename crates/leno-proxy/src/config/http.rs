//! The HTTP connection manager: how a connection's requests are read, allowed and routed.

use std::{collections::HashMap, num::NonZeroU32, sync::Arc, time::Duration};

use leno_engine::{
    filter::HttpFilter, host_rules::HostRules, local_reply::LocalReplies, normalize::PathRules, route::RouteTable,
};

use super::{Cluster, Http2Options, Slot};
use crate::error::{ErrorKind, ProxyError};

/// How the requests of a connection are treated.
#[derive(Debug)]
pub struct HttpConnectionManager {
    /// Names it in telemetry: `outbound/NS/SVC:PORT`, `inbound/NS/SVC:PORT` or `inbound/-:PORT`.
    pub stat_prefix: Arc<str>,
    /// What is spoken.
    pub codec: Codec,
    /// Where requests go.
    pub routes: RouteSource,
    /// What is done with requests before they are routed, in order.
    pub filters: Vec<HttpFilter>,
    /// The clusters of the services that these filters ask.
    pub services: HashMap<Box<str>, Arc<Slot<Cluster>>>,
    /// What is done with paths before anything is decided by them.
    pub paths: PathRules,
    /// What is done with hosts before anything is decided by them.
    pub hosts: HostRules,
    /// Times and sizes.
    pub limits: HttpLimits,
    /// The values of `Upgrade` that are passed on, in lower case (`websocket`); `CONNECT` counts as `connect`.
    pub upgrades: Vec<Box<str>>,
    /// How HTTP/2 is spoken.
    pub http2: Http2Options,
    /// Whether trailers go from HTTP/2 to HTTP/1.1 and back (`http_protocol_options.enable_trailers`). Between two sides of
    /// HTTP/1.1 they always pass.
    pub trailers: bool,
    /// What becomes of header fields with `_` in their name.
    pub underscores: Underscores,
    /// The `:scheme` that HTTP/2 endpoints are told.
    pub scheme: SchemeRule,
    /// What is said of who called.
    pub forwarding: Forwarding,
    /// What becomes of answers that the proxy gives itself; `None`: they stay as they are.
    pub local_replies: Option<Box<LocalReplies>>,
    /// Whether requests are logged.
    pub access_log: bool,
}

/// What becomes of header fields with `_` in their name ([`HeadersWithUnderscoresAction`]).
///
/// [`HeadersWithUnderscoresAction`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/core/v3/protocol.proto#enum-config-core-v3-httpprotocoloptions-headerswithunderscoresaction
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Underscores {
    /// They pass.
    #[default]
    Allow,
    /// A request that has one is refused.
    Reject,
    /// They are left out.
    Drop,
}

impl Underscores {
    /// The first field that the rule is about, of these names.
    pub(crate) fn find<'a>(self, names: impl IntoIterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
        if self == Self::Allow { None } else { names.into_iter().find(|name| name.contains(&b'_')) }
    }

    /// Why a request with such a field is refused.
    pub(crate) fn refused(name: &[u8]) -> ProxyError {
        let name = name.escape_ascii();
        let detail =
            format!("the header {name} has an underscore, and headers_with_underscores_action refuses it: rename it");
        ProxyError::new(ErrorKind::BadRequest, detail)
    }
}

/// The `:scheme` that HTTP/2 endpoints are told ([`SchemeHeaderTransformation`]).
///
/// [`SchemeHeaderTransformation`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/core/v3/protocol.proto#config-core-v3-schemeheadertransformation
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SchemeRule {
    /// The caller's.
    #[default]
    Keep,
    /// `http`.
    Http,
    /// `https`.
    Https,
    /// `https` over TLS, else `http`.
    Upstream,
}

impl SchemeRule {
    /// The scheme, where it is the same for all requests.
    #[must_use]
    pub fn fixed(self) -> Option<&'static str> {
        match self {
            Self::Http => Some("http"),
            Self::Https => Some("https"),
            Self::Keep | Self::Upstream => None,
        }
    }

    /// The scheme in place of the caller's; `secure`: whether the endpoint is reached over TLS.
    #[must_use]
    pub fn of(self, secure: bool) -> Option<&'static str> {
        match self {
            Self::Upstream => Some(if secure { "https" } else { "http" }),
            rule => rule.fixed(),
        }
    }
}

/// What is said of who called, to endpoints and to the caller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forwarding {
    /// Whether the connection's address is the caller's (`use_remote_address`): nobody before this proxy is to be believed,
    /// but for `trusted_hops`.
    pub is_edge: bool,
    /// How many proxies before this one are trusted.
    pub trusted_hops: u32,
    /// Whether the caller's address is added to `x-forwarded-for`.
    pub append: bool,
    /// Our name in `via`.
    pub via: Option<Box<str>>,
    /// Our name in answers.
    pub server: ServerHeader,
    /// What becomes of `x-forwarded-client-cert`.
    pub certificate: CertificateHeader,
    /// What it tells of a certificate.
    pub told: ToldCertificate,
    /// Whether an edge keeps `x-request-id` of callers.
    pub keep_request_id: bool,
    /// Whether answers have `x-request-id`.
    pub answers_request_id: bool,
    /// The scheme that `x-forwarded-proto` tells, whatever the caller's is.
    pub scheme: Option<&'static str>,
}

/// Our name in answers (`server_header_transformation`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ServerHeader {
    /// The endpoint's stays.
    #[default]
    Keep,
    /// This one.
    Set(Box<str>),
    /// This one where the endpoint has none.
    SetIfAbsent(Box<str>),
}

/// What becomes of `x-forwarded-client-cert` ([`ForwardClientCertDetails`]).
///
/// [`ForwardClientCertDetails`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto#enum-extensions-filters-network-http-connection-manager-v3-httpconnectionmanager-forwardclientcertdetails
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CertificateHeader {
    /// It goes.
    #[default]
    Remove,
    /// It stays where the caller showed a certificate.
    Pass,
    /// The caller's is added.
    Append,
    /// It is the caller's.
    Set,
    /// It stays.
    AlwaysPass,
}

/// What `x-forwarded-client-cert` tells besides the certificate's sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a field of its own")]
pub struct ToldCertificate {
    /// The certificate itself.
    pub certificate: bool,
    /// Its chain.
    pub chain: bool,
    /// Its subject.
    pub subject: bool,
    /// Its first URI.
    pub uri: bool,
    /// Its hosts.
    pub hosts: bool,
}

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Codec {
    /// By ALPN, else by the HTTP/2 preface.
    #[default]
    Auto,
    /// HTTP/1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// Times and sizes of a connection's requests. Defaults are Envoy's unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// How long a connection without a request stays open; zero: for ever. Default one hour.
    pub idle_timeout: Duration,
    /// How long nothing may move on a stream; zero: for ever. Default five minutes.
    pub stream_idle_timeout: Duration,
    /// How long the head of a request may take from its first byte; zero: for ever. Default ten seconds (Envoy has no limit).
    pub headers_timeout: Duration,
    /// How long the whole request may take to arrive; zero: for ever. Default for ever.
    pub request_timeout: Duration,
    /// How large the head of a request may be, in bytes. Default 60 KiB.
    pub max_headers_bytes: u32,
    /// How many header fields a request may have. Default 100.
    pub max_headers_count: u32,
    /// How long a connection takes new requests; `None`: for ever.
    pub max_connection_duration: Option<Duration>,
    /// How long a request may take with its answer, tunnels included, where its route says nothing; `None`: for ever.
    pub max_stream_duration: Option<Duration>,
    /// How long a caller has to close a connection that is ended here, before it is closed; zero: no time. Default one second.
    pub delayed_close: Duration,
    /// After how many requests a connection is closed; `None`: never.
    pub max_requests: Option<NonZeroU32>,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            idle_timeout: Duration::from_secs(3600),
            stream_idle_timeout: Duration::from_secs(300),
            headers_timeout: Duration::from_secs(10),
            request_timeout: Duration::ZERO,
            max_headers_bytes: 60 * 1024,
            max_headers_count: 100,
            max_connection_duration: None,
            max_stream_duration: None,
            delayed_close: Duration::from_secs(1),
            max_requests: None,
        }
    }
}

/// Where a connection manager's routes come from.
#[derive(Debug)]
pub enum RouteSource {
    /// Written in the listener.
    Inline(Arc<Routes>),
    /// A route configuration by name.
    Named(Arc<Slot<Routes>>),
}

/// A route configuration: the table that decides, and handles on the clusters that it decides for.
#[derive(Debug)]
pub struct Routes {
    /// The resource's name.
    pub name: Arc<str>,
    /// What goes where.
    pub table: RouteTable,
    /// The clusters that the table names.
    pub clusters: HashMap<Box<str>, Arc<Slot<Cluster>>>,
}
