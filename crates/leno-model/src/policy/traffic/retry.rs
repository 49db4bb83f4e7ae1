//! What is sent again ([retry policy]).
//!
//! [retry policy]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-retrypolicy

use std::time::Duration;

/// What is sent again, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retries {
    /// How often one request at most, besides the first time.
    pub attempts: u32,
    /// After what.
    pub on: Vec<Condition>,
    /// After these statuses as well, 100 to 599.
    pub statuses: Vec<u16>,
    /// How long one try may take; as long as the whole request when `None`.
    pub per_try_timeout: Option<Duration>,
    /// The longest wait before the first of them; later ones wait twice as long each.
    pub backoff_base: Option<Duration>,
    /// The longest wait of all.
    pub backoff_max: Option<Duration>,
    /// How many of all requests at the same time.
    pub limit: RetryLimit,
}

/// How many retries may be under way at the same time, from one sidecar to one service port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryLimit {
    /// So many.
    Count(u32),
    /// So many in a hundred of the requests under way.
    Budget {
        /// In a hundred.
        percent: u32,
        /// But so many in any case.
        at_least: u32,
    },
}

/// After what a request is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Any 5xx, or no answer.
    ServerError,
    /// 502, 503, 504.
    GatewayError,
    /// No connection could be made.
    ConnectFailure,
    /// The connection ended before the answer.
    Reset,
    /// Nothing of the request can have been processed.
    ResetBeforeRequest,
    /// The endpoint refused the stream.
    RefusedStream,
    /// 409.
    Conflict,
    /// gRPC `CANCELLED`.
    GrpcCancelled,
    /// gRPC `DEADLINE_EXCEEDED`.
    GrpcDeadlineExceeded,
    /// gRPC `INTERNAL`.
    GrpcInternal,
    /// gRPC `RESOURCE_EXHAUSTED`.
    GrpcResourceExhausted,
    /// gRPC `UNAVAILABLE`.
    GrpcUnavailable,
}

impl Condition {
    /// Envoy's word for it, in `retry_on`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::ServerError => "5xx",
            Self::GatewayError => "gateway-error",
            Self::ConnectFailure => "connect-failure",
            Self::Reset => "reset",
            Self::ResetBeforeRequest => "reset-before-request",
            Self::RefusedStream => "refused-stream",
            Self::Conflict => "retriable-4xx",
            Self::GrpcCancelled => "cancelled",
            Self::GrpcDeadlineExceeded => "deadline-exceeded",
            Self::GrpcInternal => "internal",
            Self::GrpcResourceExhausted => "resource-exhausted",
            Self::GrpcUnavailable => "unavailable",
        }
    }
}
