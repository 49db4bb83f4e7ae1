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

    /// Whether both speak of the same host at the same port, to the same pods.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let accounts = |one: &Self, other: &Self| {
            one.accounts.is_empty() || one.accounts.iter().any(|it| other.accounts.contains(it))
        };
        self.origin.namespace == other.origin.namespace
            && (accounts(self, other) || other.accounts.is_empty())
            && self.ports.iter().any(|port| other.ports.contains(port))
            && self.hosts.iter().any(|host| other.hosts.iter().any(|it| host.overlaps(it)))
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

impl HostMatch {
    /// Whether there is a host that both name.
    fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(one), Self::Exact(other)) => one == other,
            (Self::Exact(host), Self::Below(domain)) | (Self::Below(domain), Self::Exact(host)) => {
                host.ends_with(domain)
            }
            (Self::Below(one), Self::Below(other)) => one.ends_with(other) || other.ends_with(one),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_overlap_when_one_is_below_the_other() {
        let (exact, below) =
            (|host: &str| HostMatch::Exact(host.into()), |domain: &str| HostMatch::Below(domain.into()));
        assert!(exact("api.bank.example").overlaps(&below(".bank.example")));
        assert!(below(".example").overlaps(&below(".bank.example")));
        assert!(
            !exact("bank.example").overlaps(&below(".bank.example"))
                && !exact("a.example").overlaps(&exact("b.example"))
        );
    }
}
