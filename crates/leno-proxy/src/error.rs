//! What can go wrong on the data path: one table from kind to status code, Envoy response flag and metric label.

use std::{borrow::Cow, fmt};

use crate::labelled::labelled;

labelled! {
    /// On which side of the proxy something went wrong.
    pub enum Side {
        /// The caller, or the connection to it.
        Downstream = "caller",
        /// The callee, or the connection to it.
        Upstream = "callee",
        /// A policy said no.
        Policy = "policy",
        /// The proxy itself: configuration not there, limits reached.
        Internal = "proxy",
    }
}

/// Defines [`ErrorKind`] and its table.
macro_rules! error_kinds {
    ($($(#[doc = $doc:literal])+ $name:ident: $side:ident, $status:literal, $flag:literal, $label:literal, $retryable:literal,
        $advice:literal;)+) => {
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

            /// The value of the metric label `reason`, and the second word of the header `x-leno-reason`.
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

            /// What to do about it: the reference's text.
            #[must_use]
            pub fn advice(self) -> &'static str {
                match self { $(Self::$name => $advice,)+ }
            }
        }
    };
}

error_kinds! {
    /// The request could not be read as HTTP, or is dangerous to pass on.
    BadRequest: Downstream, 400, "DPE", "bad_request", false,
        "Mend the client: the answer's body says what of its request is not legal.";
    /// The request's head was larger than the limit.
    HeadersTooLarge: Downstream, 431, "DPE", "headers_too_large", false,
        "Send fewer or smaller headers (cookies, mostly).";
    /// The request's body was larger than the limit.
    BodyTooLarge: Downstream, 413, "-", "body_too_large", false,
        "Send less at a time, or raise `maxRequestBytes` in MeshConfig.";
    /// The request did not arrive in time: its first bytes, its head, or all of it where that is limited.
    RequestTimeout: Downstream, 408, "-", "request_timeout", false,
        "Look at the client and the network to it: it connected, and what it had to say did not come.";
    /// The caller went away before the answer was complete.
    DownstreamClosed: Downstream, 0, "DC", "downstream_closed", false,
        "Nothing, if the client gave up on purpose; else look whether its own timeout is shorter than the answer takes.";
    /// Nothing moved on the stream for the idle timeout.
    StreamIdleTimeout: Downstream, 408, "SI", "stream_idle_timeout", false,
        "Send something from time to time on streams that live long.";
    /// A request took longer with its answer than streams may.
    StreamDuration: Downstream, 504, "DT", "stream_duration", false,
        "Nothing, if the limit is meant; else raise `max_stream_duration` of the route or the connection manager.";
    /// The TLS handshake with the caller failed.
    DownstreamTls: Downstream, 0, "-", "downstream_tls", false,
        "See `leno_tls_handshakes_total` and the log line `TLS handshake failed` for the reason.";
    /// The connection did not begin with the PROXY header that is demanded, or with a broken one.
    BadIntroduction: Downstream, 0, "-", "bad_introduction", false,
        "Have the load balancer in front send the PROXY protocol, in a version that the listener accepts.";
    /// The caller spoke plaintext where mesh TLS is demanded.
    PlaintextRefused: Policy, 0, "-", "plaintext_refused", false,
        "Give the caller a sidecar (`leno.dev/inject: enabled`), or let plaintext in with `mtls: Permissive` in MeshConfig.";
    /// The protocol that the caller asks to change to is not passed on.
    UpgradeRefused: Policy, 403, "-", "upgrade_refused", false,
        "Use the service without that protocol; a sidecar lets `CONNECT` through only where its configuration lists it.";
    /// No access rule allows it.
    AccessDenied: Policy, 403, "UAEX", "access_denied", false,
        "Write a TrafficTarget or an AccessPolicy that lets this caller in, or look at the policy that denies it. The answer's `x-leno-denied-by` and the sidecar's log name caller, callee and policy.";
    /// The authorization service said no.
    ExternallyDenied: Policy, 403, "UAEX", "externally_denied", false,
        "Ask who runs the authorization service: it was asked and refused.";
    /// The authorization service gave no answer, and without one nothing may pass.
    AuthorizationFailed: Policy, 403, "UAEX", "authorization_failed", false,
        "Look whether the authorization service runs and answers in its time; the sidecar's log says how it failed.";
    /// The request has no token that its route demands, or one that does not hold.
    Unauthenticated: Policy, 401, "-", "unauthenticated", false,
        "Send a token of the issuer that the route demands; the answer's body says what is wrong with this one.";
    /// The rate limit service gave no answer, and without one nothing may pass.
    RateLimitService: Policy, 500, "RLSE", "rate_limit_service", false,
        "Look whether the control plane, or the rate limit service that the policy names, runs and answers in its time; the \
         sidecar's log says how it failed.";
    /// There were more requests than a limit allows.
    RateLimited: Policy, 429, "RL", "rate_limited", false,
        "Send fewer requests, or raise the limit; `x-ratelimit-reset` says when to come back, where it is told.";
    /// A failure made on purpose, to see what becomes of it.
    FaultInjected: Policy, 503, "FI", "fault_injected", false,
        "Nothing: somebody tests with a fault filter. Take it away when the test is over.";
    /// The destination is not known and only known ones are allowed.
    UnknownDestination: Policy, 502, "NR", "unknown_destination", false,
        "Write a Service or an EgressPolicy for it, or set `outboundPolicy: AllowAny` in MeshConfig.";
    /// No route matches the request.
    NoRoute: Internal, 404, "NR", "no_route", false,
        "See with `leno proxy config POD` which hosts and paths have routes.";
    /// The route names a cluster that does not exist.
    NoCluster: Internal, 503, "NC", "no_cluster", false,
        "Look at the log of the control plane (`leno logs control`) for what is wrong with the service, its splits and its backends.";
    /// The configuration for the destination did not arrive in time.
    ConfigTimeout: Internal, 503, "NC", "config_timeout", false,
        "Look whether the control plane runs and the sidecar is connected: `leno proxy status`.";
    /// A limit on connections, requests or memory was reached.
    Overload: Internal, 503, "OM", "overload", false,
        "Raise `--max-connections` or the limit of open files, or run more instances.";
    /// As much is under way at the cluster as its circuit breaker allows.
    UpstreamOverflow: Upstream, 503, "UO", "upstream_overflow", false,
        "Look why the called service is slow; run more instances of it.";
    /// The load assignment has a share of requests refused (`drop_overloads`).
    DropOverload: Policy, 503, "DO", "drop_overload", false,
        "Nothing: who assigns load spares the called service. Run more instances of it.";
    /// The cluster has no endpoint that takes requests.
    NoHealthyUpstream: Upstream, 503, "UH", "no_healthy_upstream", false,
        "Look whether the service has pods and whether they are ready: `leno ps`.";
    /// The connection to the endpoint was refused, unreachable, or timed out.
    UpstreamConnect: Upstream, 503, "UF", "upstream_connect", true,
        "Look whether the application listens on the port that the service names (`targetPort`), and on all addresses, not only on its loopback.";
    /// The TLS handshake with the endpoint failed.
    UpstreamTls: Upstream, 503, "UF", "upstream_tls", true,
        "Look at the log of the called pod's sidecar. The certificate of either side may have expired: `leno proxy status`. Where \
         a policy has TLS spoken with a server of its own (`tls`, BackendTLSPolicy), the caller's log says what of its \
         certificate does not fit.";
    /// The endpoint proved another identity than the service's.
    UpstreamIdentity: Upstream, 503, "UF", "upstream_identity", false,
        "Something else than the service answers at this address (look at the pods that its selector matches and their service accounts), or its certificate has expired (`leno proxy status`).";
    /// The endpoint closed the connection before its answer was complete.
    UpstreamClosed: Upstream, 503, "UC", "upstream_closed", false,
        "Look at the application's log: it ended the connection, or ended itself, in the middle of an answer.";
    /// The endpoint reset the stream.
    UpstreamReset: Upstream, 503, "UR", "upstream_reset", false,
        "Look at the application's log: it gave the request up.";
    /// The endpoint speaks HTTP/2 and does not take the protocol that the caller asks to change to.
    UpstreamUpgrade: Upstream, 503, "UR", "upstream_upgrade", false,
        "Enable extended CONNECT (RFC 8441) at the endpoint, or speak HTTP/1.1 to it: its port's name or `appProtocol`, or the cluster's protocol options, say what it is spoken to in.";
    /// The endpoint's answer could not be read as HTTP.
    UpstreamProtocol: Upstream, 502, "UPE", "upstream_protocol", false,
        "Look whether the port speaks what its name or `appProtocol` says.";
    /// The endpoint did not answer in time.
    UpstreamTimeout: Upstream, 504, "UT", "upstream_timeout", false,
        "Look why the application takes so long; the detail says which time ran out.";
    /// An endpoint took longer with a request than streams to its cluster may.
    UpstreamStreamDuration: Upstream, 504, "UMSDR", "upstream_stream_duration", false,
        "Nothing, if the limit is meant; else raise `max_stream_duration` of the cluster.";
    /// The endpoint answered with a status after which the retry policy sends the request again; the caller gets the
    /// last answer.
    UpstreamStatus: Upstream, 0, "URX", "upstream_status", false,
        "Look at what the single attempts failed of: `leno_retries_total` counts them, the application's log says why.";
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
