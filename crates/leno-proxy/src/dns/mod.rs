//! Names of clusters' endpoints: asked again and again, and the last good answer kept.
//!
//! ```text
//! Cluster::endpoints ─► watch ─► one task per cluster: Resolver (hosts file, servers) ─► Slot<EndpointSet>
//! ```

mod cluster;
mod query;
mod system;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

pub(crate) use cluster::{endpoints, watch, watch_all};
use hickory_proto::rr::RecordType;

use self::query::Asked;

/// Who is asked, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolver {
    /// The servers; empty: the system's.
    pub servers: Vec<SocketAddr>,
    /// Whether only TCP is used.
    pub tcp: bool,
    /// Whether names are completed with the system's search domains.
    pub search: bool,
    /// How long one answer may take.
    pub timeout: Duration,
    /// How often each server is asked.
    pub tries: u32,
    /// Whether servers take turns at being asked first.
    pub rotate: bool,
}

impl Default for Resolver {
    /// As c-ares does, which Envoy uses.
    fn default() -> Self {
        let timeout = Duration::from_secs(5);
        Self { servers: Vec::new(), tcp: false, search: true, timeout, tries: 4, rotate: false }
    }
}

/// Which addresses are wanted ([`DnsLookupFamily`]).
///
/// [`DnsLookupFamily`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/cluster/v3/cluster.proto#enum-config-cluster-v3-cluster-dnslookupfamily
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Family {
    /// Those of IPv6; of IPv4 where there are none.
    #[default]
    Auto,
    /// Of IPv4 alone.
    V4,
    /// Of IPv6 alone.
    V6,
    /// Of IPv4; of IPv6 where there are none.
    V4Preferred,
    /// Both.
    All,
}

/// What is known of a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// Its addresses; none where there is no such name.
    pub(crate) addresses: Vec<IpAddr>,
    /// How long that holds; `None` when nobody says.
    pub(crate) ttl: Option<Duration>,
}

impl Resolver {
    /// The addresses of a name.
    ///
    /// # Errors
    /// When no server answers.
    pub(crate) async fn resolve(&self, name: &str, family: Family, mark: Option<u32>) -> io::Result<Resolved> {
        if let Ok(address) = name.parse() {
            return Ok(Resolved { addresses: vec![address], ttl: None });
        }
        let system = system::read().await;
        let known = system.hosts(name);
        if !known.is_empty() {
            return Ok(Resolved { addresses: family.choose(known), ttl: None });
        }
        let servers = if self.servers.is_empty() { &system.servers } else { &self.servers };
        let mut last = Ok(Resolved::default());
        for full in system.candidates(name, self.search) {
            last = self.records(servers, &full, family, mark).await;
            match &last {
                Ok(found) if found.addresses.is_empty() => {}
                Ok(_) | Err(_) => return last,
            }
        }
        last
    }

    /// The addresses of a complete name.
    async fn records(
        &self,
        servers: &[SocketAddr],
        name: &str,
        family: Family,
        mark: Option<u32>,
    ) -> io::Result<Resolved> {
        let ask = |kind| query::ask(self, servers, Asked { name, kind, mark });
        let (first, second) = match family {
            Family::V4 => return ask(RecordType::A).await,
            Family::V6 => return ask(RecordType::AAAA).await,
            Family::Auto => (RecordType::AAAA, RecordType::A),
            Family::V4Preferred | Family::All => (RecordType::A, RecordType::AAAA),
        };
        let found = ask(first).await;
        match (family, found) {
            (Family::All, found) => both(found, ask(second).await),
            (_, Ok(found)) if !found.addresses.is_empty() => Ok(found),
            (_, found) => match ask(second).await {
                Ok(other) if !other.addresses.is_empty() => Ok(other),
                // What was asked first says more about why there is nothing.
                other => found.and(other),
            },
        }
    }
}

/// Both answers together; one is enough.
fn both(one: io::Result<Resolved>, other: io::Result<Resolved>) -> io::Result<Resolved> {
    match (one, other) {
        (Ok(mut one), Ok(other)) => {
            one.addresses.extend(other.addresses);
            one.ttl = one.ttl.into_iter().chain(other.ttl).min();
            Ok(one)
        }
        (Ok(one), Err(_)) | (Err(_), Ok(one)) => Ok(one),
        (Err(error), Err(_)) => Err(error),
    }
}

impl Family {
    /// Those of these that are wanted.
    fn choose(self, addresses: Vec<IpAddr>) -> Vec<IpAddr> {
        let (v4, v6): (Vec<_>, Vec<_>) = addresses.into_iter().partition(IpAddr::is_ipv4);
        match self {
            Self::V4 => v4,
            Self::V6 => v6,
            Self::Auto if v6.is_empty() => v4,
            Self::Auto => v6,
            Self::V4Preferred if v4.is_empty() => v6,
            Self::V4Preferred => v4,
            Self::All => v4.into_iter().chain(v6).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
