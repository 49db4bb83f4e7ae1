//! A stream of a connection, as the task that serves it sees it.

use std::{
    fmt,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::{Buf as _, Bytes};
use leno_http2::{Code, Head, Stalled, Writer};

use super::link::{Link, Over, Slot};

/// A stream. One task looks at it; when it is dropped before its end it is reset.
pub(crate) struct Stream {
    link: Rc<Link>,
    id: u32,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stream {}", self.id)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.link.with(|inner| {
            let unused = inner.connection.stream(self.id).map_or(0, |slot| slot.unreleased);
            inner.connection.forget(self.id, unused);
            inner.wake_openers();
            inner.kick();
        });
    }
}

impl Stream {
    pub(super) fn new(link: Rc<Link>, id: u32) -> Self {
        Self { link, id }
    }

    /// Looks at what there is, or waits for something to happen.
    fn look<R>(&self, cx: &Context<'_>, look: impl FnOnce(&mut Slot) -> Poll<R>, gone: R) -> Poll<R> {
        self.link.with(|inner| {
            let Some(slot) = inner.connection.stream(self.id) else { return Poll::Ready(gone) };
            let polled = look(slot);
            if polled.is_pending() && !slot.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                slot.waker = Some(cx.waker().clone());
            }
            polled
        })
    }

    /// The head of an answer; interim ones come first.
    pub(crate) fn poll_answer(&self, cx: &Context<'_>) -> Poll<Result<Head, Over>> {
        let look = |slot: &mut Slot| match (slot.answers.pop_front(), slot.over) {
            (Some(head), _) => Poll::Ready(Ok(head)),
            (None, Some(over)) => Poll::Ready(Err(over)),
            (None, None) => Poll::Pending,
        };
        self.look(cx, look, Err(Over::Broken))
    }

    /// The next piece of the body; `None` when there is no more: see [`Self::trailers`].
    pub(crate) fn poll_data(&self, cx: &Context<'_>) -> Poll<Result<Option<Bytes>, Over>> {
        let look = |slot: &mut Slot| match (slot.data.is_empty(), slot.ended, slot.over) {
            (false, _, _) => Poll::Ready(Ok(Some(Bytes::from(std::mem::take(&mut slot.data))))),
            (true, true, _) => Poll::Ready(Ok(None)),
            (true, false, Some(over)) => Poll::Ready(Err(over)),
            (true, false, None) => Poll::Pending,
        };
        self.look(cx, look, Err(Over::Broken))
    }

    /// The trailers, once the body is over.
    pub(crate) fn trailers(&self) -> Option<Head> {
        self.link.with(|inner| inner.connection.stream(self.id)?.trailers.take())
    }

    /// Whether all that came was taken, and neither more nor trailers will come.
    pub(crate) fn is_end(&self) -> bool {
        self.link.with(|inner| {
            let slot = inner.connection.stream(self.id);
            slot.is_none_or(|slot| slot.ended && slot.data.is_empty() && slot.trailers.is_none())
        })
    }

    /// Ready when the stream was reset or its connection broke.
    pub(crate) fn poll_over(&self, cx: &Context<'_>) -> Poll<Over> {
        self.look(cx, |slot| slot.over.map_or(Poll::Pending, Poll::Ready), Over::Broken)
    }

    /// Bytes of the body were passed on: as many more may come.
    pub(crate) fn release(&self, length: usize) {
        self.link.with(|inner| {
            if let Some(slot) = inner.connection.stream(self.id) {
                slot.unreleased = slot.unreleased.saturating_sub(length);
            }
            inner.connection.release(self.id, length);
            inner.kick();
        });
    }

    /// Sends the head of an answer, or trailers.
    ///
    /// # Errors
    /// When the stream is over.
    pub(crate) fn send_head(&self, end: bool, write: impl FnOnce(&mut Writer<'_>)) -> Result<(), Over> {
        self.link.with(|inner| {
            let sent = inner.connection.head(self.id, end, write);
            inner.kick();
            sent.map_err(|_| inner.why(self.id))
        })
    }

    /// Sends all of a piece of a body, as fast as it is taken. `end`: nothing follows it.
    ///
    /// # Errors
    /// When the stream is over.
    pub(crate) fn poll_send(&self, cx: &Context<'_>, data: &mut Bytes, end: bool) -> Poll<Result<(), Over>> {
        self.link.with(|inner| {
            if inner.over {
                return Poll::Ready(Err(Over::Broken));
            }
            let Ok(sent) = inner.connection.data(self.id, data, end) else {
                return Poll::Ready(Err(inner.why(self.id)));
            };
            if sent.taken > 0 || sent.stalled.is_none() {
                inner.kick();
            }
            data.advance(sent.taken);
            let Some(stalled) = sent.stalled else { return Poll::Ready(Ok(())) };
            if stalled == Stalled::Connection {
                inner.stalled.push(self.id);
            }
            if let Some(slot) = inner.connection.stream(self.id) {
                slot.waker = Some(cx.waker().clone());
            }
            Poll::Pending
        })
    }

    /// Resets the stream.
    pub(crate) fn reset(&self, code: Code) {
        self.link.with(|inner| {
            inner.connection.reset(self.id, code);
            inner.kick();
        });
    }
}

impl super::link::Inner {
    /// Why a stream takes nothing.
    fn why(&mut self, id: u32) -> Over {
        self.connection.stream(id).and_then(|slot| slot.over).unwrap_or(Over::Broken)
    }
}
