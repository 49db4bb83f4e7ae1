//! Services that filters ask, each over a cluster of the proxy.

use std::time::Duration;

use crate::route::HeaderWrite;

/// A service that speaks gRPC ([`envoy.config.core.v3.GrpcService`]).
///
/// [`envoy.config.core.v3.GrpcService`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/core/v3/grpc_service.proto
#[derive(Clone, Debug, PartialEq)]
pub struct GrpcService {
    /// The cluster over which it is reached.
    pub cluster: Box<str>,
    /// The host that it is asked as: the cluster's name, where nothing else is said.
    pub authority: Box<str>,
    /// How long an answer may take, everything included; `None`: for ever.
    pub timeout: Option<Duration>,
    /// Headers of each question, with what is known of the request filled in.
    pub metadata: Vec<HeaderWrite>,
}

/// A service that speaks HTTP ([`envoy.config.core.v3.HttpUri`]).
///
/// [`envoy.config.core.v3.HttpUri`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/core/v3/http_uri.proto
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpService {
    /// The cluster over which it is reached.
    pub cluster: Box<str>,
    /// The host in its URI.
    pub host: Box<str>,
    /// The path in its URI, with a query if it has one.
    pub path: Box<str>,
    /// How long an answer may take, everything included; `None`: for ever.
    pub timeout: Option<Duration>,
}
