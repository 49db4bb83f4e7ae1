//! Services, their ports and their endpoints.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use serde::{Deserialize, Serialize};

use crate::{Locality, ServiceAccountName, ServiceName, WorkloadName, policy::traffic::Nearness};

/// A Kubernetes Service with the endpoints behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Its name.
    pub name: ServiceName,
    /// Its virtual addresses; empty for a headless service (`clusterIP: None`).
    pub cluster_ips: Vec<IpAddr>,
    /// Its ports, in the order of the manifest.
    pub ports: Vec<ServicePort>,
    /// Which endpoints are used first, when no policy says it (`spec.trafficDistribution`).
    pub nearness: Option<Nearness>,
    /// The endpoints of each service port (key: [`ServicePort::port`]), sorted by address.
    pub endpoints: BTreeMap<u16, Vec<Endpoint>>,
}

impl Service {
    /// Whether the service has no virtual address and clients dial its pods.
    #[must_use]
    pub fn is_headless(&self) -> bool {
        self.cluster_ips.is_empty()
    }

    /// The port with this number.
    #[must_use]
    pub fn port(&self, number: u16) -> Option<&ServicePort> {
        self.ports.iter().find(|port| port.port == number)
    }

    /// The service accounts that its endpoints run as: the identities a client accepts from it. Sorted, no repeats.
    #[must_use]
    pub fn service_accounts(&self) -> Vec<&ServiceAccountName> {
        let mut accounts: Vec<_> =
            self.endpoints.values().flatten().filter_map(|endpoint| endpoint.service_account.as_ref()).collect();
        accounts.sort();
        accounts.dedup();
        accounts
    }
}

/// One port of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServicePort {
    /// The port's name; empty when the service has one unnamed port.
    pub name: String,
    /// The number that clients dial on the service's address.
    pub port: u16,
    /// What is spoken on it.
    pub protocol: Protocol,
}

/// What is spoken on a port: from `appProtocol`, else from the port's name, else found out from the first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Protocol {
    /// HTTP/1.1 or HTTP/2 in plaintext, whichever the client speaks.
    Http,
    /// HTTP/2 in plaintext with prior knowledge (gRPC included).
    Http2,
    /// Bytes.
    Tcp,
    /// Nothing was declared: the proxy looks at the first bytes.
    Detect,
    /// Datagrams; not intercepted.
    Udp,
}

impl Protocol {
    /// The protocol that a port declares. `app_protocol` (Kubernetes [`appProtocol`]) wins over the port's name, whose
    /// part before the first `-` counts (`http-web` is HTTP). Unknown words mean [`Protocol::Detect`], except that an
    /// unknown `appProtocol` is taken at its word as bytes it cannot know: also [`Protocol::Detect`].
    ///
    /// [`appProtocol`]: https://kubernetes.io/docs/concepts/services-networking/service/#application-protocol
    #[must_use]
    pub fn declared(app_protocol: Option<&str>, port_name: &str) -> Self {
        let word = match app_protocol {
            Some(word) => word,
            None => port_name.split('-').next().unwrap_or_default(),
        };
        match word.to_ascii_lowercase().as_str() {
            "http" | "http1" | "kubernetes.io/ws" | "ws" => Self::Http,
            "http2" | "h2c" | "grpc" | "kubernetes.io/h2c" => Self::Http2,
            "tcp" | "tcp-server-first" | "tls" | "https" | "kubernetes.io/wss" | "wss" | "mysql" | "mongo"
            | "redis" | "postgres" | "leno.dev/opaque" => Self::Tcp,
            "udp" => Self::Udp,
            _ => Self::Detect,
        }
    }
}

/// One address that serves a service port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The pod's address and target port.
    pub address: SocketAddr,
    /// Whether it takes new requests: ready, and not terminating.
    pub ready: bool,
    /// The pod behind it, when it is one.
    pub workload: Option<WorkloadName>,
    /// The service account that the pod runs as.
    pub service_account: Option<ServiceAccountName>,
    /// Whether the pod has a sidecar, so that it is reached by mutual TLS.
    pub meshed: bool,
    /// Where it runs.
    pub locality: Locality,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn app_protocol_wins_over_the_ports_name() {
        assert_eq!(Protocol::declared(Some("tcp"), "http-web"), Protocol::Tcp);
        assert_eq!(Protocol::declared(None, "http-web"), Protocol::Http);
        assert_eq!(Protocol::declared(None, "grpc"), Protocol::Http2);
        assert_eq!(Protocol::declared(None, "web"), Protocol::Detect);
        assert_eq!(Protocol::declared(None, ""), Protocol::Detect);
        assert_eq!(Protocol::declared(Some("kubernetes.io/h2c"), ""), Protocol::Http2);
    }
}
