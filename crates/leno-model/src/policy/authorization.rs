//! Who may call whom: SMI `TrafficTarget` v1alpha3, resolved.

use serde::{Deserialize, Serialize};

use super::HttpMatch;
use crate::{ObjectRef, ServiceAccountName};

/// One rule that lets requests in. Rules only add: a request passes when any rule lets it in.
///
/// On a port whose payload is HTTP a request passes when `http` is empty or one of its entries fits, and `ports` is
/// `None` or holds the port. On a port whose payload is bytes it passes when `ports` is `Some` and holds the port.
/// (SMI: an HTTP rule and a TCP rule together narrow the HTTP rule to the TCP rule's ports.)
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessRule {
    /// The object that it comes from, named to those whom it refuses or lets in.
    pub origin: ObjectRef,
    /// The service account of the workloads that it protects.
    pub destination: ServiceAccountName,
    /// The service accounts that may call.
    pub sources: Vec<ServiceAccountName>,
    /// The HTTP requests that pass; `None` when the rule names no `HTTPRouteGroup`.
    pub http: Option<Vec<HttpMatch>>,
    /// The destination ports (of the pod) that pass; `None` when the rule names no `TCPRoute`.
    pub ports: Option<Ports>,
}

/// A set of ports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ports {
    /// Every port (a `TCPRoute` that lists none).
    All,
    /// These ports.
    Only(Vec<u16>),
}

impl Ports {
    /// Whether the set holds the port.
    #[must_use]
    pub fn contains(&self, port: u16) -> bool {
        match self {
            Self::All => true,
            Self::Only(ports) => ports.contains(&port),
        }
    }
}
