//! The request's way up.

use leno_http1::Body;
use tokio::time::Instant;

use super::{super::mirror::Mirroring, held::Kept};

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
    /// What others get of it as well, until it is there.
    pub(super) mirroring: Option<Box<Mirroring>>,
}

impl Upload {
    /// A request with this head, which came at `now`, and what was read of its body.
    pub(super) fn new(mut head: Vec<u8>, kept: &Kept, mut mirroring: Option<Mirroring>, now: Instant) -> Self {
        head.extend_from_slice(&kept.framed);
        if let Some(mirroring) = &mut mirroring {
            mirroring.take(kept.content());
        }
        let content = kept.length();
        let mirroring = mirroring.map(Box::new);
        let mut upload = Self {
            bytes: head,
            written: 0,
            body: kept.body,
            whole: true,
            content,
            done: None,
            arrived: None,
            mirroring,
        };
        if upload.body.is_complete() {
            upload.arrive(now);
        }
        upload
    }

    /// Notes that all of it is there.
    pub(super) fn arrive(&mut self, now: Instant) {
        self.arrived.get_or_insert(now);
        if let Some(mirroring) = self.mirroring.take() {
            mirroring.send();
        }
    }

    /// Whether the request can be sent once more from its beginning.
    pub(super) fn is_replayable(&self) -> bool {
        self.whole
    }

    /// Whether all of it was read from the caller.
    pub(super) fn is_read(&self) -> bool {
        self.body.is_complete()
    }

    /// Has another head, where nothing was sent yet.
    pub(super) fn set_head(&mut self, head: Vec<u8>) {
        let end = self.bytes.windows(4).position(|part| part == b"\r\n\r\n").map_or(0, |at| at + 4);
        self.bytes.splice(..end, head);
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
