//! Connections to endpoints that wait for the next request: pools, one set per worker, bounded and swept.

mod either;
mod h1;
mod h2;

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    rc::{Rc, Weak},
    sync::Arc,
    time::{Duration, Instant},
};

pub(crate) use either::{Connected, either};
pub use h1::Http1;
pub(crate) use h2::{CONNECTION_WINDOW, MAX_CONNECTIONS as MAX_HTTP2, STREAM_WINDOW};
pub use h2::{Http2, Lease};

use crate::{
    config::{Cluster, Endpoint},
    dial::OnBehalf,
    hash::HashMap,
    worker::Worker,
};

/// How long a connection may wait for its next request. Shorter than what servers usually grant, longer than a pause in
/// traffic.
pub(crate) const IDLE: Duration = Duration::from_secs(60);
/// The most HTTP/1 connections that wait for one endpoint, per worker.
pub(crate) const MAX_IDLE_PER_ENDPOINT: usize = 256;
/// The most HTTP/1 connections that wait, per worker.
pub(crate) const MAX_IDLE: usize = 4096;

/// The pools of a worker.
#[derive(Debug, Default)]
pub struct Pools {
    idle: RefCell<Waiting>,
    idle_count: Cell<usize>,
    shared: RefCell<HashMap<Key, Rc<h2::Shared>>>,
    /// Whether the sweeper runs.
    swept: Cell<bool>,
}

/// Connections that wait, by what they have in common.
type Waiting = HashMap<Key, Vec<Idle>>;

/// What connections must have in common to stand in for each other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    cluster: Arc<str>,
    address: SocketAddr,
    /// The identity of the TLS settings: after a change of the accepted identities, old connections are not used.
    transport: u64,
    /// What was told of who called: connections with a PROXY header serve no other caller.
    header: Box<[u8]>,
}

impl Key {
    /// That of a cluster's endpoint.
    pub(crate) fn new(for_whom: OnBehalf<'_>, cluster: &Cluster, endpoint: &Endpoint) -> Self {
        let transport = cluster.transport(endpoint);
        let told = transport.header.as_ref().zip(for_whom.caller());
        Self {
            cluster: Arc::clone(&cluster.name),
            address: endpoint.address,
            transport: transport.security.id(),
            header: told.map(|(header, caller)| header.told(caller).into()).unwrap_or_default(),
        }
    }
}

/// A connection that waits.
#[derive(Debug)]
struct Idle {
    connection: Http1,
    since: Instant,
    /// How long it may wait; zero: for ever.
    idle: Duration,
}

impl Idle {
    /// Whether it waited for too long.
    fn is_over(&self) -> bool {
        !self.idle.is_zero() && self.since.elapsed() >= self.idle
    }
}

impl Pools {
    /// Takes the connection that waited the shortest.
    fn take(&self, key: &Key) -> Option<Http1> {
        let mut idle = self.idle.borrow_mut();
        let waiting = idle.get_mut(key)?;
        let taken = waiting.pop()?;
        self.idle_count.set(self.idle_count.get().saturating_sub(1));
        // The sweeper sees to longer times.
        if taken.idle < IDLE && taken.is_over() {
            // The others waited longer.
            self.idle_count.set(self.idle_count.get().saturating_sub(waiting.len()));
            waiting.clear();
            return None;
        }
        Some(taken.connection)
    }

    /// Keeps a connection for the next request, unless enough wait already.
    fn put(&self, worker: &Rc<Worker>, connection: Http1) {
        if self.idle_count.get() >= MAX_IDLE || worker.is_draining() {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        // The place stays while no connection waits in it, until the sweeper comes by.
        if !idle.contains_key(&connection.key) {
            idle.insert(connection.key.clone(), Vec::new());
        }
        let Some(waiting) = idle.get_mut(&connection.key).filter(|waiting| waiting.len() < MAX_IDLE_PER_ENDPOINT)
        else {
            return;
        };
        let time = connection.idle;
        waiting.push(Idle { connection, since: Instant::now(), idle: time });
        self.idle_count.set(self.idle_count.get() + 1);
        drop(idle);
        self.sweep(worker);
    }

    /// Starts the sweeper, which closes what waited too long and ends when nothing waits.
    fn sweep(&self, worker: &Rc<Worker>) {
        if self.swept.replace(true) {
            return;
        }
        let worker = Rc::downgrade(worker);
        tokio::task::spawn_local(async move {
            let mut ticks = tokio::time::interval(IDLE / 4);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let Some(worker) = Weak::upgrade(&worker) else {
                    return;
                };
                if worker.pools.close_idle() {
                    worker.pools.swept.set(false);
                    return;
                }
            }
        });
    }

    /// Closes what waited too long; says whether nothing waits any more.
    fn close_idle(&self) -> bool {
        let mut idle = self.idle.borrow_mut();
        let mut count = 0;
        idle.retain(|_, waiting| {
            waiting.retain(|one| !one.is_over());
            count += waiting.len();
            !waiting.is_empty()
        });
        self.idle_count.set(count);
        let mut shared = self.shared.borrow_mut();
        // What endpoints chose is remembered of so many only.
        let remember = shared.len() <= MAX_IDLE;
        shared.retain(|_, shared| shared.close_idle(remember));
        idle.is_empty() && shared.is_empty()
    }
}
