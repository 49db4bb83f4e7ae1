//! Where resources come from ([`ConfigSource`]), apart from the file or the stream that everything comes by.
//!
//! [`ConfigSource`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/core/v3/config_source.proto#envoy-v3-api-msg-config-core-v3-configsource

use std::{path::PathBuf, sync::Arc, time::Duration};

use leno_xds::client::{Backoff, Manner};

use super::{Cluster, Slot};

/// The sources of a file's `dynamic_resources`.
#[derive(Debug, Default)]
pub struct Dynamic {
    /// The server of all types (`ads_config`).
    pub aggregated: Option<Server>,
    /// That of listeners (`lds_config`); `None`: there are only those of the file.
    pub listeners: Option<Source>,
    /// That of clusters (`cds_config`); `None`: there are only those of the file.
    pub clusters: Option<Source>,
}

/// Where resources of one type come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// The server of all types.
    Aggregated,
    /// One that is asked for this type alone.
    Server(Server),
    /// A file with a `DiscoveryResponse`, and how often it is looked at.
    File(PathBuf, Duration),
}

/// Servers that can answer, in the order in which they are tried.
#[derive(Clone, Debug)]
pub struct Server {
    /// How they are spoken with.
    pub manner: Manner,
    /// The waits between attempts.
    pub backoff: Backoff,
    /// Where they are.
    pub upstreams: Vec<Upstream>,
}

/// Where a server is.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// A cluster of the file.
    pub cluster: Arc<Slot<Cluster>>,
    /// What it is called in requests.
    pub authority: Box<str>,
}

/// Which source, among those of a process. Resources of the same name that come from different ones are different.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(u32);

impl SourceId {
    /// What everything comes by where nothing else is said: the file itself, `ads_config`, `lds_config`, `cds_config`.
    pub const COMMON: Self = Self(0);

    /// One that no other has had.
    pub(super) fn next(&mut self) -> Self {
        self.0 = self.0.wrapping_add(1).max(1);
        *self
    }
}

/// How something that is referred to by name is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// Where from.
    pub source: SourceId,
    /// How long what refers to it waits for it (`initial_fetch_timeout`); `None`: for ever.
    pub within: Option<Duration>,
}

impl Default for Fetch {
    fn default() -> Self {
        Self { source: SourceId::COMMON, within: Some(Self::WITHIN) }
    }
}

impl Fetch {
    /// How long something is waited for where nothing else is said.
    pub const WITHIN: Duration = Duration::from_secs(15);
}
