//! Resources and their types.

use std::{fmt, sync::Arc};

use leno_proto::{google::protobuf::Any, resource as url};

/// The name that subscribes to every resource of a type.
pub const WILDCARD: &str = "*";

/// A type of resource, in the order in which changes are sent so that nothing refers to what is not there yet
/// ([eventual consistency]); removals go in the opposite order.
///
/// [eventual consistency]: https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#eventual-consistency-considerations
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ResourceType {
    /// Certificates and roots (SDS).
    Secret,
    /// Groups of endpoints (CDS).
    Cluster,
    /// Endpoints of a cluster (EDS).
    Endpoint,
    /// Where connections come in (LDS).
    Listener,
    /// Routes of a listener (RDS).
    Route,
}

impl ResourceType {
    /// Every type, in sending order.
    pub const ALL: [Self; 5] = [Self::Secret, Self::Cluster, Self::Endpoint, Self::Listener, Self::Route];

    /// The type with this type URL.
    #[must_use]
    pub fn from_url(type_url: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|resource_type| resource_type.url() == type_url)
    }

    /// The type URL.
    #[must_use]
    pub fn url(self) -> &'static str {
        match self {
            Self::Secret => url::SECRET,
            Self::Cluster => url::CLUSTER,
            Self::Endpoint => url::ENDPOINT,
            Self::Listener => url::LISTENER,
            Self::Route => url::ROUTE,
        }
    }

    /// Whether an answer in the state-of-the-world protocol lists all there is, so that what is missing is gone.
    #[must_use]
    pub fn is_whole_state(self) -> bool {
        match self {
            Self::Cluster | Self::Listener => true,
            Self::Secret | Self::Endpoint | Self::Route => false,
        }
    }
}

impl fmt::Display for ResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(url::short_name(self.url()))
    }
}

/// One encoded resource. Clones share the bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// Its name, unique within its type.
    pub name: Arc<str>,
    /// Its version: equal versions of a name mean equal contents.
    pub version: Arc<str>,
    /// The encoded message.
    pub body: Arc<Any>,
}

impl Resource {
    /// A resource whose version is a fingerprint of its bytes, the same on every replica.
    #[must_use]
    pub fn new(name: &str, body: Any) -> Self {
        let version = fingerprint(&body.value);
        Self { name: name.into(), version: format!("{version:016x}").into(), body: Arc::new(body) }
    }

    /// How many bytes it takes in an answer, about.
    #[must_use]
    pub fn size(&self) -> usize {
        self.body.value.len() + self.body.type_url.len() + 2 * self.name.len() + 32
    }
}

/// FNV-1a, 64 bits, folded by a final mix. It tells changed bytes from unchanged ones; it guards nothing.
fn fingerprint(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in bytes {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    hash ^ (hash >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_known_by_their_urls() {
        for resource_type in ResourceType::ALL {
            assert_eq!(ResourceType::from_url(resource_type.url()), Some(resource_type));
        }
        assert_eq!(ResourceType::ALL.map(ResourceType::url), url::ALL);
        assert_eq!(ResourceType::from_url("type.googleapis.com/no.such.Type"), None);
        assert_eq!(ResourceType::Endpoint.to_string(), "endpoint");
    }

    #[test]
    fn the_version_follows_the_bytes() {
        let of = |bytes: &[u8]| Resource::new("a", Any { type_url: String::new(), value: bytes.to_vec() }).version;
        assert_eq!(of(b"one"), of(b"one"));
        assert_ne!(of(b"one"), of(b"eno"));
    }
}
