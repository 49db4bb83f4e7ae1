//! HTTP/1.1: a connection serves one request at a time.

use std::{
    num::NonZeroU32,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use super::Key;
use crate::{
    config::{Cluster, Endpoint},
    connection::Payload,
    dial::{self, Dialed, OnBehalf},
    error::ProxyError,
    http_buffer::Buffer,
    io::Io,
    worker::Worker,
};

/// A connection to an endpoint.
#[derive(Debug)]
pub struct Http1 {
    /// The stream.
    pub io: Io,
    /// What was read and not yet used; empty between two answers.
    pub input: Buffer,
    /// Whether it served a request before: it may turn out to be closed.
    pub reused: bool,
    /// How many requests it may still serve; `None`: as many as there are.
    left: Option<u32>,
    /// Until when it takes new ones; `None`: for ever.
    until: Option<Instant>,
    /// How long it may wait for one; zero: for ever.
    pub(super) idle: Duration,
    /// Whether it is mesh TLS.
    pub mtls: bool,
    /// Where it waits between requests.
    pub(super) key: Key,
}

impl Http1 {
    /// A connection that waited.
    pub(crate) fn waited(worker: &Worker, key: &Key) -> Option<Self> {
        loop {
            let mut waited = worker.pools.take(key)?;
            if waited.is_open() && waited.until.is_none_or(|until| Instant::now() < until) {
                return Some(waited);
            }
        }
    }

    /// A new connection.
    ///
    /// # Errors
    /// As [`dial::dial`].
    pub(crate) async fn dial(
        for_whom: OnBehalf<'_>,
        cluster: &Cluster,
        endpoint: &Endpoint,
        key: Key,
    ) -> Result<Self, ProxyError> {
        let dialed = dial::dial(for_whom, cluster, endpoint, Payload::Http1).await?;
        Ok(Self::new(dialed, cluster, key))
    }

    /// A connection that was just made.
    pub(super) fn new(dialed: Dialed, cluster: &Cluster, key: Key) -> Self {
        let left = cluster.max_requests_per_connection.map(NonZeroU32::get);
        let until = cluster.http.max_connection_duration.map(|time| Instant::now() + time);
        let (idle, mtls) = (cluster.http.idle_timeout, dialed.identity.is_some());
        Self { io: dialed.io, input: Buffer::default(), reused: false, left, until, idle, mtls, key }
    }

    /// Gives it back for the next request, unless it has served as many as it may.
    pub fn put_back(mut self, worker: &Rc<Worker>) {
        // Bytes after the answer belong to no request: whoever sends them is not to be trusted with another.
        self.left = self.left.map(|left| left.saturating_sub(1));
        let old = self.until.is_some_and(|until| until <= Instant::now());
        if self.input.is_empty() && self.left != Some(0) && !old {
            self.input.release();
            self.reused = true;
            worker.pools.put(worker, self);
        }
    }

    /// Whether the endpoint has neither closed it nor said something while it waited. Asks nobody: what has arrived is
    /// known to the runtime already.
    fn is_open(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        let read = self.input.poll_read(&mut self.io, &mut cx);
        matches!(read, Poll::Pending)
    }
}
