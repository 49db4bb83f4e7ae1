//! HTTP/2: a connection serves many requests at once.

use std::{
    cell::{Cell, RefCell},
    num::NonZeroU32,
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use h2::client::SendRequest;

use super::Key;
use crate::{
    config::{Cluster, Endpoint},
    connection::{Direction, Payload},
    dial,
    error::{ErrorKind, ProxyError},
    worker::Worker,
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
    send: SendRequest<Bytes>,
    /// Whether it is mesh TLS.
    pub mtls: bool,
    /// Streams under way.
    streams: Cell<usize>,
    /// Whether it is closed, or takes no new streams.
    closed: Rc<Cell<bool>>,
    /// How many streams there were.
    served: Cell<u32>,
    /// When the last stream ended.
    used: Cell<Instant>,
}

/// A stream's place on a connection; given back when dropped.
#[derive(Debug)]
pub struct Lease(Rc<Http2>);

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.streams.set(self.0.streams.get().saturating_sub(1));
        self.0.used.set(Instant::now());
    }
}

impl Lease {
    /// Its connection.
    #[must_use]
    pub fn connection(&self) -> &Http2 {
        &self.0
    }

    /// A handle for one request.
    #[must_use]
    pub fn send(&self) -> SendRequest<Bytes> {
        self.0.send.clone()
    }

    /// Counts the request, after which the connection takes no new ones if it has had as many as it may.
    fn count(&self, max: Option<NonZeroU32>) {
        self.0.served.set(self.0.served.get().saturating_add(1));
        if max.is_some_and(|max| self.0.served.get() >= max.get()) {
            self.retire();
        }
    }

    /// Takes no new requests from now on.
    pub fn retire(&self) {
        self.0.closed.set(true);
    }
}

impl Shared {
    /// A place on a connection that has one.
    fn lease(&self) -> Option<Lease> {
        let mut connections = self.connections.borrow_mut();
        connections.retain(|connection| !connection.closed.get());
        let free = |connection: &&Rc<Http2>| connection.streams.get() < connection.send.current_max_send_streams();
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
            !connection.closed.get() && !waited
        });
        // One that dials at the moment will need its place.
        !connections.is_empty() || self.dialing.try_lock().is_err()
    }
}

impl Http2 {
    /// A place on a connection to an endpoint, on a new one if all are full.
    ///
    /// # Errors
    /// As [`dial::dial`], and when the endpoint speaks no HTTP/2.
    pub async fn to(
        worker: &Rc<Worker>,
        direction: Direction,
        cluster: &Cluster,
        endpoint: &Endpoint,
    ) -> Result<Lease, ProxyError> {
        let lease = Self::place(worker, direction, cluster, endpoint).await?;
        lease.count(cluster.max_requests_per_connection);
        Ok(lease)
    }

    async fn place(
        worker: &Rc<Worker>,
        direction: Direction,
        cluster: &Cluster,
        endpoint: &Endpoint,
    ) -> Result<Lease, ProxyError> {
        let key = Key::new(cluster, endpoint);
        let shared = Rc::clone(worker.pools.shared.borrow_mut().entry(key).or_default());
        worker.pools.sweep(worker);
        if let Some(lease) = shared.lease() {
            return Ok(lease);
        }
        let dialing = shared.dialing.lock().await;
        if let Some(lease) = shared.lease() {
            return Ok(lease);
        }
        let dialed = dial::dial(worker, direction, cluster, endpoint, Payload::Http2).await?;
        let mtls = dialed.identity.is_some();
        let handshake = h2::client::Builder::new()
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(64 * 1024)
            .enable_push(false)
            .handshake::<_, Bytes>(dialed.io);
        let (send, driver) = handshake.await.map_err(|error| {
            ProxyError::new(ErrorKind::UpstreamProtocol, format!("HTTP/2 with {}: {error}", endpoint.address))
        })?;
        let closed = Rc::new(Cell::new(false));
        let ended = Rc::clone(&closed);
        // Not a task of the worker: it ends by itself when nobody holds the connection.
        tokio::task::spawn_local(async move {
            if let Err(error) = driver.await {
                tracing::debug!(%error, "HTTP/2 connection to an endpoint ended");
            }
            ended.set(true);
        });
        let connection = Rc::new(Self {
            send,
            mtls,
            streams: Cell::new(1),
            closed,
            served: Cell::new(0),
            used: Cell::new(Instant::now()),
        });
        shared.connections.borrow_mut().push(Rc::clone(&connection));
        drop(dialing);
        Ok(Lease(connection))
    }
}
