//! The request's body on its way up. Its beginning is kept, so that it can be sent again; pieces are shared, not copied.

use std::{
    cell::Cell,
    future::poll_fn,
    task::{Poll, ready},
};

use bytes::Bytes;
use leno_http2::Head;
use tokio::{sync::Notify, time::Instant};

use super::{
    super::{decide::Routed, mirror::Mirroring, retry::REPLAY},
    body::Broken,
    called::Called,
    caller::Caller,
    held::{End, Held},
    message,
};

/// How far an exchange has come; both directions look at it.
pub(super) struct Progress {
    /// Bytes of the request's content that came.
    pub(super) up: Cell<u64>,
    /// Bytes of the answer's content that came.
    pub(super) down: Cell<u64>,
    /// The status of HTTP that the answer's gRPC status stands for.
    pub(super) grpc: Cell<Option<u16>>,
    /// When something last moved.
    pub(super) moved: Cell<Instant>,
    /// When all of the request was there.
    pub(super) arrived: Cell<Option<Instant>>,
    /// Tells that `arrived` was set.
    pub(super) arrival: Notify,
    /// Whether all that came of the body is kept.
    pub(super) replayable: Cell<bool>,
    /// Whether an answer is passed back: nothing is sent again from then on.
    pub(super) settled: Cell<bool>,
}

impl Progress {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            up: Cell::new(0),
            down: Cell::new(0),
            grpc: Cell::new(None),
            moved: Cell::new(now),
            arrived: Cell::new(None),
            arrival: Notify::new(),
            replayable: Cell::new(true),
            settled: Cell::new(false),
        }
    }

    fn arrive(&self, now: Instant) {
        self.arrived.set(Some(now));
        self.arrival.notify_waiters();
    }

    /// Notes the gRPC status, if it is in these headers or trailers.
    pub(super) fn note_grpc(&self, head: &Head) {
        let status = head.value("grpc-status").and_then(|status| std::str::from_utf8(status).ok()?.parse().ok());
        if let Some(status) = status {
            self.grpc.set(Some(message::http_status(status)));
        }
    }

    pub(super) fn touch(&self) {
        self.moved.set(Instant::now());
    }
}

/// A request's body.
pub(super) struct Upload<'a> {
    from: &'a Caller<'a>,
    /// What came and is still needed.
    pieces: Vec<Bytes>,
    /// Bytes in `pieces`.
    length: usize,
    /// How many of the pieces were sent to the endpoint that is tried.
    sent: usize,
    /// Bytes that came and were not given back to the caller's window yet.
    unreleased: usize,
    end: Option<End>,
    routed: &'a Routed,
    /// What others get of it as well, until it is there.
    mirroring: Option<Box<Mirroring>>,
}

impl<'a> Upload<'a> {
    pub(super) fn new(
        held: Held<'a>,
        routed: &'a Routed,
        mut mirroring: Option<Box<Mirroring>>,
        progress: &Progress,
    ) -> Self {
        let length = held.length();
        progress.up.set(length);
        let Held { from, pieces, end } = held;
        if let Some(mirroring) = &mut mirroring {
            pieces.iter().for_each(|piece| mirroring.take(piece));
        }
        if end.is_some() {
            progress.arrive(progress.moved.get());
            if let Some(mirroring) = mirroring.take() {
                mirroring.send();
            }
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        progress.replayable.set(length <= REPLAY);
        Self { from, pieces, length, sent: 0, unreleased: 0, end, routed, mirroring }
    }

    /// Whether the head is all there is.
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.length == 0 && matches!(self.end, Some(End::Plain))
    }

    /// Begins again, for another endpoint.
    pub(super) fn rewind(&mut self) {
        self.sent = 0;
    }

    /// Passes the body and its trailers on to their end.
    pub(super) async fn pass(&mut self, to: &Called, progress: &Progress) -> Result<(), Broken> {
        loop {
            while let Some(piece) = self.pieces.get(self.sent).cloned() {
                let last = matches!(self.end, Some(End::Plain)) && self.sent + 1 == self.pieces.len();
                to.send(piece, last).await?;
                self.sent += 1;
                progress.touch();
                if last {
                    self.release();
                    return Ok(());
                }
            }
            if !progress.replayable.get() || progress.settled.get() {
                progress.replayable.set(false);
                self.pieces.clear();
                self.sent = 0;
            }
            // The window opens for what the receiver took: a slow receiver slows the sender down.
            self.release();
            match &self.end {
                Some(End::Trailers(trailers)) => {
                    return to.send_trailers(trailers).await;
                }
                Some(End::Plain) => {
                    return to.send(Bytes::new(), true).await;
                }
                None => self.receive(to, progress).await?,
            }
        }
    }

    fn release(&mut self) {
        let length = std::mem::take(&mut self.unreleased);
        if length > 0 {
            self.from.release(length);
        }
    }

    /// Takes the next piece, or the end; whichever comes first of it and of a reset by the endpoint.
    async fn receive(&mut self, to: &Called, progress: &Progress) -> Result<(), Broken> {
        poll_fn(|cx| {
            if let Poll::Ready(over) = to.poll_over(cx) {
                return Poll::Ready(Err(Broken::Receiver(over.code())));
            }
            match ready!(self.from.poll_data(cx)).map_err(|over| Broken::Sender(over.code()))? {
                Some(piece) => self.take(piece, progress)?,
                None => self.end = Some(self.from.trailers().map_or(End::Plain, End::Trailers)),
            }
            progress.touch();
            if self.end.is_some() {
                progress.arrive(progress.moved.get());
                if let Some(mirroring) = self.mirroring.take() {
                    mirroring.send();
                }
            }
            Poll::Ready(Ok(()))
        })
        .await
    }

    fn take(&mut self, piece: Bytes, progress: &Progress) -> Result<(), Broken> {
        let length = piece.len();
        self.unreleased += length;
        self.length += length;
        progress.up.set(progress.up.get() + length as u64);
        if self.length > REPLAY {
            progress.replayable.set(false);
        }
        if self.from.is_end() {
            self.end = Some(End::Plain);
        }
        if let Some(mirroring) = &mut self.mirroring {
            mirroring.take(&piece);
        }
        if length > 0 {
            self.pieces.push(piece);
        }
        if self.routed.is_too_large(progress.up.get()) { Err(Broken::TooLarge) } else { Ok(()) }
    }
}
