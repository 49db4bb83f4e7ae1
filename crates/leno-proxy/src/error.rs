//! What can go wrong on the data path: one table from kind to status code, Envoy response flag and metric label.

use std::{borrow::Cow, fmt};

/// On which side of the proxy something went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The caller, or the connection to it.
    Downstream,
    /// The callee, or the connection to it.
    Upstream,
    /// A policy said no.
    Policy,
    /// The proxy itself: configuration not there, limits reached.
    Internal,
}

/// Defines [`ErrorKind`] and its table.
macro_rules! error_kinds {
    ($($(#[doc = $doc:literal])+ $name:ident: $side:ident, $status:literal, $flag:literal, $label:literal, $retryable:literal;)+) => {
        /// What went wrong. Flags are [Envoy's response flags].
        ///
        /// [Envoy's response flags]: https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage#command-operators
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorKind {
            $($(#[doc = $doc])+ $name,)+
        }

        impl ErrorKind {
            /// Every kind, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// On which side it went wrong.
            #[must_use]
            pub fn side(self) -> Side {
                match self { $(Self::$name => Side::$side,)+ }
            }

            /// The HTTP status a caller gets; 0 where there is nobody left to answer.
            #[must_use]
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status,)+ }
            }

            /// Envoy's response flag.
            #[must_use]
            pub fn flag(self) -> &'static str {
                match self { $(Self::$name => $flag,)+ }
            }

            /// The value of the metric label `reason` and of the header `x-leno-error`.
            #[must_use]
            pub fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)+ }
            }

            /// Whether nothing of the request can have reached the callee, so that it may be sent again.
            #[must_use]
            pub fn retryable(self) -> bool {
                match self { $(Self::$name => $retryable,)+ }
            }

            /// What it is, in one line: the reference's text.
            #[must_use]
            pub fn doc(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

error_kinds! {
    /// The request could not be read as HTTP, or is dangerous to pass on.
    BadRequest: Downstream, 400, "DPE", "bad_request", false;
    /// The request's head was larger than the limit.
    HeadersTooLarge: Downstream, 431, "DPE", "headers_too_large", false;
    /// The request's body was larger than the limit.
    BodyTooLarge: Downstream, 413, "-", "body_too_large", false;
    /// The request's head did not arrive in time.
    RequestTimeout: Downstream, 408, "-", "request_timeout", false;
    /// The caller went away before the answer was complete.
    DownstreamClosed: Downstream, 0, "DC", "downstream_closed", false;
    /// Nothing moved on the stream for the idle timeout.
    StreamIdleTimeout: Downstream, 408, "SI", "stream_idle_timeout", false;
    /// The TLS handshake with the caller failed.
    DownstreamTls: Downstream, 0, "-", "downstream_tls", false;
    /// The caller spoke plaintext where mesh TLS is demanded.
    PlaintextRefused: Policy, 0, "-", "plaintext_refused", false;
    /// The protocol that the caller asks to change to is not passed on.
    UpgradeRefused: Policy, 403, "-", "upgrade_refused", false;
    /// No access rule allows it.
    AccessDenied: Policy, 403, "UAEX", "access_denied", false;
    /// The destination is not known and only known ones are allowed.
    UnknownDestination: Policy, 502, "NR", "unknown_destination", false;
    /// No route matches the request.
    NoRoute: Internal, 404, "NR", "no_route", false;
    /// The route names a cluster that does not exist.
    NoCluster: Internal, 503, "NC", "no_cluster", false;
    /// The configuration for the destination did not arrive in time.
    ConfigTimeout: Internal, 503, "NC", "config_timeout", false;
    /// A limit on connections, requests or memory was reached.
    Overload: Internal, 503, "OM", "overload", false;
    /// The cluster's circuit breaker is open.
    UpstreamOverflow: Upstream, 503, "UO", "upstream_overflow", false;
    /// The cluster has no endpoint that takes requests.
    NoHealthyUpstream: Upstream, 503, "UH", "no_healthy_upstream", false;
    /// The connection to the endpoint was refused, unreachable, or timed out.
    UpstreamConnect: Upstream, 503, "UF", "upstream_connect", true;
    /// The TLS handshake with the endpoint failed.
    UpstreamTls: Upstream, 503, "UF", "upstream_tls", true;
    /// The endpoint proved another identity than the service's.
    UpstreamIdentity: Upstream, 503, "UF", "upstream_identity", false;
    /// The endpoint closed the connection before its answer was complete.
    UpstreamClosed: Upstream, 503, "UC", "upstream_closed", false;
    /// The endpoint reset the stream.
    UpstreamReset: Upstream, 503, "UR", "upstream_reset", false;
    /// The endpoint's answer could not be read as HTTP.
    UpstreamProtocol: Upstream, 502, "UPE", "upstream_protocol", false;
    /// The endpoint did not answer in time.
    UpstreamTimeout: Upstream, 504, "UT", "upstream_timeout", false;
    /// Every attempt that the retry policy allows failed.
    RetriesExhausted: Upstream, 503, "URX", "retries_exhausted", false;
}

/// A failure on the data path.
#[derive(Clone, Debug, thiserror::Error)]
pub struct ProxyError {
    /// What went wrong.
    pub kind: ErrorKind,
    /// What exactly, for the log and for the answer's body.
    pub detail: Cow<'static, str>,
    /// Whether nothing of the request can have reached the callee. Starts as [`ErrorKind::retryable`].
    pub retryable: bool,
}

impl ProxyError {
    /// An error of this kind.
    pub fn new(kind: ErrorKind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, detail: detail.into(), retryable: kind.retryable() }
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.label(), self.detail)
    }
}

impl From<ErrorKind> for ProxyError {
    fn from(kind: ErrorKind) -> Self {
        Self::new(kind, "")
    }
}
