//! Names of xDS resources: what control plane and sidecar agree on beyond Envoy's messages.
//!
//! | type | name | what |
//! |---|---|---|
//! | Listener | `inbound` | all that reaches the workload; subscribed at start |
//! | Listener | `outbound` | what happens to destinations that the mesh does not know; subscribed at start |
//! | Listener | `outbound/10.96.0.7:80` | one original destination; subscribed on the first connection to it |
//! | RouteConfiguration | `outbound/shop/cart:80` | the routes of a service port |
//! | Cluster, ClusterLoadAssignment | `outbound/shop/cart:80` | the endpoints of a service port |
//! | Cluster | `direct/10.244.0.9:80` | one pod's port, dialled by the pod's own address |
//! | Cluster | `inbound` | the application: the original destination, in plaintext |
//! | Cluster | `passthrough` | the original destination, as it is |
//! | Cluster | `blackhole` | nothing: no endpoint, ever |
//! | Cluster | `control-plane` | the control plane, as each sidecar knows it; made in the proxy, never sent over xDS |
//! | Cluster | `unresolved` | what a route names and is not there: there is no such cluster, ever |
//! | Secret | `svid` | the workload's own certificate; made in the proxy, never sent over xDS |
//! | Secret | `client-certificate/shop/pay` | the pair of a Kubernetes Secret, shown to servers; for those alone who show it |
//! | Secret | `trust-bundle` | the roots that peers are verified against |

use std::net::SocketAddr;

use crate::{ObjectRef, SecretName, ServiceName};

/// The listener of all that reaches the workload, and the cluster that is the application.
pub const INBOUND: &str = "inbound";
/// The listener of destinations that the mesh does not know.
pub const OUTBOUND: &str = "outbound";
/// The cluster that passes a connection on to its original destination as it is.
pub const PASSTHROUGH: &str = "passthrough";
/// The cluster without endpoints, for connections that a split sends to nobody.
pub const BLACKHOLE: &str = "blackhole";
/// The cluster that is the control plane, for filters that ask it: each sidecar makes it of what it was told at its start.
pub const CONTROL_PLANE: &str = "control-plane";
/// The name of the cluster that there is not, for requests that a route sends to what is not there.
pub const UNRESOLVED: &str = "unresolved";
/// The secret that holds the workload's own certificate and key.
pub const SVID: &str = "svid";
/// The secret that holds the roots that peers are verified against.
pub const TRUST_BUNDLE: &str = "trust-bundle";

/// The ALPN protocols of mesh TLS. Each names what is inside, so that the accepting side never has to look.
pub mod alpn {
    /// HTTP/1.1 inside.
    pub const HTTP1: &str = "leno-http/1.1";
    /// HTTP/2 inside.
    pub const HTTP2: &str = "leno-h2";
    /// Bytes inside.
    pub const TCP: &str = "leno-tcp";
}

/// The key of endpoint metadata, filter `envoy.transport_socket_match`, that says by its value `"true"` that the
/// endpoint is reached by mesh TLS.
pub const MESH_TLS_KEY: &str = "leno.dev/mesh";

/// The filter name of endpoint metadata that says who an endpoint is, for telemetry: string fields `workload`
/// (owner name), `pod`, `namespace`, `service_account`.
pub const WORKLOAD_METADATA: &str = "leno.dev/workload";

/// The filter name of metadata of routes, clusters and filter chains that says which objects they were made of, for people:
/// the field [`ORIGIN_OBJECTS`].
pub const ORIGIN_METADATA: &str = "leno.dev";

/// The field of [`ORIGIN_METADATA`]: a list of texts such as `TrafficSplit shop/cart`, with the sections in brackets where
/// an object has a say in some.
pub const ORIGIN_OBJECTS: &str = "objects";

/// The listener of one original destination.
#[must_use]
pub fn outbound_listener(destination: SocketAddr) -> String {
    format!("{OUTBOUND}/{destination}")
}

/// The original destination that a listener's name stands for.
#[must_use]
pub fn outbound_destination(listener: &str) -> Option<SocketAddr> {
    listener.strip_prefix(OUTBOUND)?.strip_prefix('/')?.parse().ok()
}

/// The routes, cluster and endpoints of a service port.
#[must_use]
pub fn service_port(service: &ServiceName, port: u16) -> String {
    format!("{OUTBOUND}/{service}:{port}")
}

/// The service port that a route, cluster or endpoint name stands for.
#[must_use]
pub fn parse_service_port(name: &str) -> Option<(ServiceName, u16)> {
    let (service, port) = name.strip_prefix(OUTBOUND)?.strip_prefix('/')?.rsplit_once(':')?;
    let (namespace, name) = service.split_once('/')?;
    Some((ServiceName::new(namespace, name), port.parse().ok()?))
}

/// The cluster of one pod's port.
#[must_use]
pub fn direct(address: SocketAddr) -> String {
    format!("direct/{address}")
}

/// The address that a direct cluster's name stands for.
#[must_use]
pub fn parse_direct(name: &str) -> Option<SocketAddr> {
    name.strip_prefix("direct/")?.parse().ok()
}

/// The cluster of what an egress policy lets through.
#[must_use]
pub fn egress(policy: &ObjectRef) -> String {
    format!("egress/{}/{}", policy.namespace, policy.name)
}

/// The namespace and the name of the egress policy that such a name stands for.
#[must_use]
pub fn parse_egress(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix("egress/")?.split_once('/')
}

/// What is before the name of a Secret.
const CLIENT_CERTIFICATE: &str = "client-certificate/";

/// The pair of a Secret that is shown to servers.
#[must_use]
pub fn client_certificate(secret: &SecretName) -> String {
    format!("{CLIENT_CERTIFICATE}{secret}")
}

/// The Secret that such a name stands for.
#[must_use]
pub fn parse_client_certificate(name: &str) -> Option<SecretName> {
    let (namespace, name) = name.strip_prefix(CLIENT_CERTIFICATE)?.split_once('/')?;
    Some(SecretName::new(namespace, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_be_read_back() {
        let address: SocketAddr = "10.96.0.7:80".parse().unwrap();
        assert_eq!(outbound_destination(&outbound_listener(address)), Some(address));
        let cart = ServiceName::new("shop", "cart");
        assert_eq!(parse_service_port(&service_port(&cart, 80)), Some((cart, 80)));
        assert_eq!(parse_direct(&direct(address)), Some(address));
        assert_eq!(outbound_destination("outbound/shop/cart:80"), None);
        assert_eq!(outbound_destination(OUTBOUND), None);
        let policy = ObjectRef::new("EgressPolicy", "shop", "pay");
        assert_eq!(parse_egress(&egress(&policy)), Some(("shop", "pay")));
        let secret = SecretName::new("shop", "pay");
        assert_eq!(parse_client_certificate(&client_certificate(&secret)), Some(secret));
    }
}
