//! The request's way up.

use leno_http1::{Body, Framing};
use tokio::time::Instant;

/// The request's way up.
pub(super) struct Upload {
    /// What is to be written: the head, and the body as far as it was read.
    pub(super) bytes: Vec<u8>,
    /// How much of it is written.
    pub(super) written: usize,
    /// The body.
    pub(super) body: Body,
    /// Whether `bytes` still begins with the head: the request can be sent again.
    pub(super) whole: bool,
    /// Bytes of the body's content.
    pub(super) content: u64,
    /// When the last of it was written to the endpoint that is tried.
    pub(super) done: Option<Instant>,
    /// When all of it was there: the route's time runs from here, over all attempts.
    pub(super) arrived: Option<Instant>,
}

impl Upload {
    /// A request with this head, which came at `now`.
    pub(super) fn new(head: Vec<u8>, framing: Framing, now: Instant) -> Self {
        let body = Body::new(framing);
        let arrived = body.is_complete().then_some(now);
        Self { bytes: head, written: 0, body, whole: true, content: 0, done: None, arrived }
    }

    /// Whether the request can be sent once more from its beginning.
    pub(super) fn is_replayable(&self) -> bool {
        self.whole
    }

    /// Whether all of it was read from the caller.
    pub(super) fn is_read(&self) -> bool {
        self.body.is_complete()
    }

    /// Begins again.
    pub(super) fn rewind(&mut self) {
        self.written = 0;
        self.done = None;
    }

    /// Takes the memory back for the next request.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}
