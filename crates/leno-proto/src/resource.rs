//! The resource types of xDS.

use prost::Message as _;

use crate::google::protobuf::Any;

/// Type URL of `envoy.config.cluster.v3.Cluster` (CDS).
pub const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
/// Type URL of `envoy.config.endpoint.v3.ClusterLoadAssignment` (EDS).
pub const ENDPOINT: &str = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
/// Type URL of `envoy.config.listener.v3.Listener` (LDS).
pub const LISTENER: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";
/// Type URL of `envoy.config.route.v3.RouteConfiguration` (RDS).
pub const ROUTE: &str = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
/// Type URL of `envoy.extensions.transport_sockets.tls.v3.Secret` (SDS).
pub const SECRET: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";

/// All of them, in the order in which changes must be sent so that nothing is referred to before it is there
/// ([eventual consistency]): clusters, endpoints, listeners, routes; secrets come first because clusters and
/// listeners warm on them.
///
/// [eventual consistency]: https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#eventual-consistency-considerations
pub const ALL: [&str; 5] = [SECRET, CLUSTER, ENDPOINT, LISTENER, ROUTE];

/// The short name that people use for a type URL, e.g. `cluster`; the URL itself where there is none.
#[must_use]
pub fn short_name(type_url: &str) -> &str {
    match type_url {
        CLUSTER => "cluster",
        ENDPOINT => "endpoint",
        LISTENER => "listener",
        ROUTE => "route",
        SECRET => "secret",
        other => other,
    }
}

/// The name of a resource, which every type has in its first field. What cannot be decoded has an empty one.
#[must_use]
pub fn name(body: &Any) -> String {
    Named::decode(body.value.as_slice()).unwrap_or_default().name
}

/// What all resources have in common.
#[derive(Clone, PartialEq, prost::Message)]
struct Named {
    #[prost(string, tag = "1")]
    name: String,
}

#[cfg(test)]
mod tests {
    use prost::Name as _;

    use super::*;
    use crate::v3::{cluster, endpoint, listener, route, tls};

    #[test]
    fn constants_are_the_messages_own_type_urls() {
        assert_eq!(CLUSTER, cluster::Cluster::type_url());
        assert_eq!(ENDPOINT, endpoint::ClusterLoadAssignment::type_url());
        assert_eq!(LISTENER, listener::Listener::type_url());
        assert_eq!(ROUTE, route::RouteConfiguration::type_url());
        assert_eq!(SECRET, tls::Secret::type_url());
    }
}
