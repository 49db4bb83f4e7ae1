//! What a connection has to pass before anything is done with its bytes: network filters.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use leno_engine::{
    filter::{AccessControl, GrpcService, TokenBucket},
    route::Format,
};

use super::{Cluster, Slot};

/// What a connection has to pass. Shared by all workers.
#[derive(Debug)]
pub enum Guard {
    /// Who may connect.
    Access(AccessControl),
    /// How many connections there may be in a time.
    Rate {
        /// What the limit is called in logs.
        stat_prefix: Box<str>,
        /// A token for each.
        bucket: TokenBucket,
    },
    /// How many connections there may be at the same time.
    Connections {
        /// What the limit is called in logs.
        stat_prefix: Box<str>,
        /// The limit.
        limit: ConnectionLimit,
        /// How long those beyond it are held before they are closed.
        delay: Duration,
    },
    /// What a rate limit service says.
    Service(Box<ServiceLimit>),
}

/// What a connection is counted by: keys, and values with what is known of it filled in.
pub type Entries = Vec<(Box<str>, Format)>;

/// A limit of connections that a service keeps ([`envoy.extensions.filters.network.ratelimit.v3.RateLimit`]).
///
/// [`envoy.extensions.filters.network.ratelimit.v3.RateLimit`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/network/ratelimit/v3/rate_limit.proto
#[derive(Debug)]
pub struct ServiceLimit {
    /// What the limit is called in logs.
    pub stat_prefix: Box<str>,
    /// Whose limits are meant.
    pub domain: Box<str>,
    /// Who is asked.
    pub service: GrpcService,
    /// The cluster of that.
    pub cluster: Arc<Slot<Cluster>>,
    /// What a connection is counted by.
    pub descriptors: Vec<Entries>,
    /// Whether connections are closed when nobody answers.
    pub failure_denies: bool,
}

/// How many connections there may be at the same time.
#[derive(Debug)]
pub struct ConnectionLimit {
    max: u64,
    open: Arc<AtomicU64>,
}

/// One of these connections, for as long as it is held.
#[derive(Debug)]
pub struct Permit(Arc<AtomicU64>);

impl ConnectionLimit {
    /// A limit under which none is open.
    #[must_use]
    pub fn new(max: u64) -> Self {
        Self { max, open: Arc::default() }
    }

    /// The most that may be open.
    #[must_use]
    pub fn max(&self) -> u64 {
        self.max
    }

    /// How many are open.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    /// Counts a connection; `None` when it is one too many.
    #[must_use]
    pub fn admit(&self) -> Option<Permit> {
        let counted =
            self.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| (open < self.max).then(|| open + 1));
        counted.ok().map(|_| Permit(Arc::clone(&self.open)))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_ends_makes_room_for_another() {
        let limit = ConnectionLimit::new(2);
        let one = limit.admit().unwrap();
        let _other = limit.admit().unwrap();
        assert_eq!(limit.open(), 2);
        assert!(limit.admit().is_none());
        drop(one);
        assert!(limit.admit().is_some());
    }
}
