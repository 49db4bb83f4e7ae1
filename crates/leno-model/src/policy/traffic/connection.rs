//! How much is open at the same time to a service ([circuit breaker]).
//!
//! [circuit breaker]: https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/circuit_breaking

/// Bounds of what one sidecar has open to one service port; `None`: what holds by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Connections.
    pub max_connections: Option<u32>,
    /// HTTP/1.1 requests that wait for a connection.
    pub max_pending_requests: Option<u32>,
    /// Requests under way.
    pub max_requests: Option<u32>,
    /// Requests in the life of one connection; at least 1.
    pub max_requests_per_connection: Option<u32>,
}
