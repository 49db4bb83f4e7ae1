//! HTTP/2: a connection serves many requests at once.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    num::NonZeroU32,
    rc::Rc,
    time::{Duration, Instant},
};

use leno_http2::{Code, Role};

use super::{IDLE, Key};
use crate::{
    config::{Cluster, Endpoint, Security},
    connection::Payload,
    dial::{self, Dialed, OnBehalf},
    error::ProxyError,
    h2::{Driver, Link},
};

/// The most connections to one endpoint, per worker: each has a hundred streams or more.
pub(crate) const MAX_CONNECTIONS: usize = 16;
/// The window of a stream: what is in flight unread, at most.
pub(crate) const STREAM_WINDOW: u32 = 1024 * 1024;
/// The window of a connection. Callers share it: it is larger, so that some who do not read stop nobody else.
pub(crate) const CONNECTION_WINDOW: u32 = 16 * STREAM_WINDOW;

/// How long it is remembered that an endpoint chose HTTP/1.1. Whether it still does is seen with every new connection.
const LEARNED: Duration = Duration::from_secs(300);

/// The connections to one endpoint.
#[derive(Debug, Default)]
pub(super) struct Shared {
    connections: RefCell<Vec<Rc<Http2>>>,
    /// Held while one dials: those who wait find its connection.
    pub(super) dialing: tokio::sync::Mutex<()>,
    /// When the endpoint chose HTTP/1.1, if it did the last time that it had the choice.
    chose_http1: Cell<Option<Instant>>,
}

/// A connection to an endpoint.
#[derive(Debug)]
pub struct Http2 {
    link: Rc<Link>,
    /// Whether it is mesh TLS.
    pub mtls: bool,
    /// Whether it is TLS of any kind.
    pub(crate) secure: bool,
    /// How many streams there may be at once, whatever the endpoint says.
    max_streams: usize,
    /// Until when it takes new streams; `None`: for ever.
    until: Option<Instant>,
    /// How long it may be without a stream; zero: for ever.
    idle: Duration,
    /// Streams under way, or about to be.
    streams: Cell<usize>,
    /// How many streams there were.
    served: Cell<u32>,
    /// Whether it had as many as it may have: it ends with those that have their place.
    full: Cell<bool>,
    /// When the last stream ended.
    used: Cell<Instant>,
}

impl Drop for Http2 {
    fn drop(&mut self) {
        self.link.retire();
    }
}

/// A stream's place on a connection; given back when dropped.
#[derive(Debug)]
pub struct Lease(Rc<Http2>);

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.streams.set(self.0.streams.get().saturating_sub(1));
        if self.0.streams.get() == 0 {
            self.0.used.set(Instant::now());
        }
    }
}

impl Lease {
    /// Its connection.
    #[must_use]
    pub fn connection(&self) -> &Http2 {
        &self.0
    }

    /// Counts the request, after which the connection takes no new ones if it has had as many as it may.
    pub(super) fn count(&self, max: Option<NonZeroU32>) {
        self.0.served.set(self.0.served.get().saturating_add(1));
        if max.is_some_and(|max| self.0.served.get() >= max.get()) {
            self.0.full.set(true);
        }
    }

    /// The connection as streams see it.
    pub(crate) fn link(&self) -> &Rc<Link> {
        &self.0.link
    }
}

impl Shared {
    /// A place on a connection that has one.
    pub(super) fn lease(&self) -> Option<Lease> {
        let mut connections = self.connections.borrow_mut();
        connections.retain(|connection| connection.is_usable() && (connection.idle >= IDLE || !connection.is_idle()));
        let free = |connection: &&Rc<Http2>| connection.streams.get() < connection.max_streams();
        let least = connections.iter().filter(free).min_by_key(|connection| connection.streams.get());
        // When all are full and no more may be made, the least loaded one queues.
        let chosen = match least {
            Some(connection) => Some(connection),
            None if connections.len() >= MAX_CONNECTIONS => {
                connections.iter().min_by_key(|connection| connection.streams.get())
            }
            None => None,
        };
        chosen.map(|connection| {
            connection.streams.set(connection.streams.get() + 1);
            Lease(Rc::clone(connection))
        })
    }

    /// Whether the endpoint can be thought to choose HTTP/1.1.
    pub(super) fn prefers_http1(&self) -> bool {
        self.chose_http1.get().is_some_and(|since| since.elapsed() < LEARNED)
    }

    /// Notes what the endpoint chose: whether it was HTTP/1.1.
    pub(super) fn chose_http1(&self, chose: bool) {
        self.chose_http1.set(chose.then(Instant::now));
    }

    /// Closes connections without streams that were not used for long; says whether it is to be kept: one is left, or, if
    /// it is to be remembered, what the endpoint chose.
    pub(super) fn close_idle(&self, remember: bool) -> bool {
        let mut connections = self.connections.borrow_mut();
        connections.retain(|connection| connection.is_usable() && !connection.is_idle());
        // One that dials at the moment will need its place.
        !connections.is_empty() || self.dialing.try_lock().is_err() || (remember && self.prefers_http1())
    }
}

impl Http2 {
    /// Whether it takes new streams.
    fn is_usable(&self) -> bool {
        let old = self.until.is_some_and(|until| until <= Instant::now());
        !self.full.get() && !old && self.link.is_usable()
    }

    /// Whether it was without a stream for too long.
    fn is_idle(&self) -> bool {
        self.streams.get() == 0 && !self.idle.is_zero() && self.used.get().elapsed() >= self.idle
    }

    /// How many streams there may be at once.
    fn max_streams(&self) -> usize {
        self.link.max_streams().min(self.max_streams)
    }

    /// A place on a connection to an endpoint, on a new one if all are full.
    ///
    /// # Errors
    /// As [`dial::dial`].
    pub async fn to(for_whom: OnBehalf<'_>, cluster: &Cluster, endpoint: &Endpoint) -> Result<Lease, ProxyError> {
        let lease = Self::place(for_whom, cluster, endpoint).await?;
        lease.count(cluster.max_requests_per_connection);
        Ok(lease)
    }

    async fn place(for_whom: OnBehalf<'_>, cluster: &Cluster, endpoint: &Endpoint) -> Result<Lease, ProxyError> {
        let (worker, key) = (for_whom.worker(), Key::new(for_whom, cluster, endpoint));
        let shared = Rc::clone(worker.pools.shared.borrow_mut().entry(key).or_default());
        worker.pools.sweep(worker);
        if let Some(lease) = shared.lease() {
            return Ok(lease);
        }
        let dialing = shared.dialing.lock().await;
        if let Some(lease) = shared.lease() {
            return Ok(lease);
        }
        let dialed = dial::dial(for_whom, cluster, endpoint, Payload::Http2).await?;
        let lease = Self::begin(&shared, dialed, cluster, endpoint);
        drop(dialing);
        Ok(lease)
    }

    /// A place on a connection that was just made.
    pub(super) fn begin(shared: &Shared, dialed: Dialed, cluster: &Cluster, endpoint: &Endpoint) -> Lease {
        let mtls = dialed.identity.is_some();
        let options = &cluster.http;
        let link = Link::new(Role::Client, options.settings(), options.http2.keepalive);
        let mut driver = Driver::new(Rc::clone(&link), dialed.io, Vec::new());
        // Not a task of the worker: it ends by itself when nobody holds the connection.
        tokio::task::spawn_local(async move {
            let ended = poll_fn(|cx| driver.poll(cx, &mut |request| request.stream.reset(Code::PROTOCOL_ERROR))).await;
            if let Err(why) = ended {
                tracing::debug!(why, "HTTP/2 connection to an endpoint ended");
            }
        });
        let connection = Rc::new(Self {
            link,
            mtls,
            secure: !matches!(cluster.transport(endpoint).security, Security::Plain),
            max_streams: usize::try_from(options.http2.max_concurrent_streams).unwrap_or(usize::MAX),
            until: options.max_connection_duration.map(|time| Instant::now() + time),
            idle: options.idle_timeout,
            streams: Cell::new(1),
            served: Cell::new(0),
            full: Cell::new(false),
            used: Cell::new(Instant::now()),
        });
        shared.connections.borrow_mut().push(Rc::clone(&connection));
        Lease(connection)
    }
}
