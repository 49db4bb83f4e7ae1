//! What may be reached outside of the mesh: `EgressPolicy`.

use std::net::IpAddr;

use super::{RequestMatch, TrafficSettings};
use crate::{ObjectRef, ServiceAccountName};

/// What one `EgressPolicy` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EgressPolicy {
    /// The object that it comes from.
    pub origin: ObjectRef,
    /// The accounts of its namespace whose pods it speaks of; all of them when empty.
    pub accounts: Vec<String>,
    /// The ports that are reached.
    pub ports: Vec<EgressPort>,
    /// Which hosts, on ports of HTTP and TLS; at least one where there is such a port.
    pub hosts: Vec<HostMatch>,
    /// Which addresses; on ports of HTTP and TLS besides the hosts. Any when empty.
    pub blocks: Vec<(IpAddr, u8)>,
    /// Which requests, on ports of HTTP; any when empty.
    pub requests: Vec<RequestMatch>,
    /// Retries, timeouts and limits; and TLS that sidecars speak for applications.
    pub settings: TrafficSettings,
    /// The port that such TLS is spoken to; the one that is dialled when not given.
    pub tls_port: Option<u16>,
}

impl EgressPolicy {
    /// Whether it speaks of pods of this account.
    #[must_use]
    pub fn concerns(&self, account: &ServiceAccountName) -> bool {
        account.namespace == self.origin.namespace
            && (self.accounts.is_empty() || self.accounts.contains(&account.name))
    }
}

/// A port outside, and what is spoken there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EgressPort {
    /// The number.
    pub number: u16,
    /// What is spoken.
    pub protocol: EgressProtocol,
}

/// What is spoken outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EgressProtocol {
    /// HTTP in plaintext: the host is the request's.
    Http,
    /// TLS of the application's own, which is not ended: the host is the one that the ClientHello asks for (SNI).
    Tls,
    /// Bytes.
    Tcp,
}

/// A host.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostMatch {
    /// This one, lower case.
    Exact(String),
    /// Those below this domain, which begins with a dot: `.example.org`.
    Below(String),
}
