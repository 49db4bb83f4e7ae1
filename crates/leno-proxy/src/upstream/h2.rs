//! HTTP/2: a connection serves many requests at once.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    num::NonZeroU32,
    rc::Rc,
    time::{Duration, Instant},
};

use leno_http2::{Code, Role, Settings};

use super::Key;
use crate::{
    config::{Cluster, Endpoint},
    connection::Payload,
    dial::{self, OnBehalf},
    error::ProxyError,
    h2::{Driver, Link},
};

/// The most connections to one endpoint, per worker: each has a hundred streams or more.
pub(crate) const MAX_CONNECTIONS: usize = 16;
/// The window of a stream: what is in flight unread, at most.
pub(crate) const STREAM_WINDOW: u32 = 1024 * 1024;
/// The window of a connection. Callers share it: it is larger, so that some who do not read stop nobody else.
pub(crate) const CONNECTION_WINDOW: u32 = 16 * STREAM_WINDOW;

/// The connections to one endpoint.
#[derive(Debug, Default)]
pub(super) struct Shared {
    connections: RefCell<Vec<Rc<Http2>>>,
    /// Held while one dials: those who wait find its connection.
    dialing: tokio::sync::Mutex<()>,
}

/// A connection to an endpoint.
#[derive(Debug)]
pub struct Http2 {
    link: Rc<Link>,
    /// Whether it is mesh TLS.
    pub mtls: bool,
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
    fn count(&self, max: Option<NonZeroU32>) {
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
    fn lease(&self) -> Option<Lease> {
        let mut connections = self.connections.borrow_mut();
        connections.retain(|connection| connection.is_usable());
        let free = |connection: &&Rc<Http2>| connection.streams.get() < connection.link.max_streams();
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

    /// Closes connections without streams that were not used for long; says whether any is left.
    pub(super) fn close_idle(&self, idle: Duration) -> bool {
        let mut connections = self.connections.borrow_mut();
        connections.retain(|connection| {
            let waited = connection.streams.get() == 0 && connection.used.get().elapsed() >= idle;
            connection.is_usable() && !waited
        });
        // One that dials at the moment will need its place.
        !connections.is_empty() || self.dialing.try_lock().is_err()
    }
}

impl Http2 {
    /// Whether it takes new streams.
    fn is_usable(&self) -> bool {
        !self.full.get() && self.link.is_usable()
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
        let mtls = dialed.identity.is_some();
        let settings = Settings {
            stream_window: STREAM_WINDOW,
            connection_window: CONNECTION_WINDOW,
            max_header_list: 64 * 1024,
            ..Settings::default()
        };
        let link = Link::new(Role::Client, settings);
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
            streams: Cell::new(1),
            served: Cell::new(0),
            full: Cell::new(false),
            used: Cell::new(Instant::now()),
        });
        shared.connections.borrow_mut().push(Rc::clone(&connection));
        drop(dialing);
        Ok(Lease(connection))
    }
}
