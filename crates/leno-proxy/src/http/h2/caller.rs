//! The caller's side of a request, in whichever version of HTTP it speaks.

use std::{
    future::poll_fn,
    task::{Context, Poll},
};

use bytes::Bytes;
use leno_http2::{Code, Head};

use super::{
    super::{decide::Routed, h1::stream::Http1, reply::Reply},
    message,
};
use crate::h2::{Over, Stream};

/// A caller.
pub(in crate::http) enum Caller<'a> {
    /// By HTTP/2.
    Http2(Stream),
    /// By HTTP/1.1.
    Http1(&'a Http1),
}

impl Caller<'_> {
    /// The next piece of the request's body; `None` when there is no more: see [`Self::trailers`].
    pub(super) fn poll_data(&self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Over>> {
        match self {
            Self::Http2(stream) => stream.poll_data(cx),
            Self::Http1(stream) => stream.poll_data(cx),
        }
    }

    /// The request's trailers, once the body is over.
    pub(super) fn trailers(&self) -> Option<Head> {
        match self {
            Self::Http2(stream) => stream.trailers(),
            Self::Http1(stream) => stream.trailers(),
        }
    }

    /// Whether all that came was taken, and nothing more will come.
    pub(super) fn is_end(&self) -> bool {
        match self {
            Self::Http2(stream) => stream.is_end(),
            Self::Http1(stream) => stream.is_end(),
        }
    }

    /// Whether what came is no body: HTTP/2 resets such a stream by itself.
    pub(super) fn is_malformed(&self) -> bool {
        match self {
            Self::Http2(_) => false,
            Self::Http1(stream) => stream.is_malformed(),
        }
    }

    /// Bytes of the body were passed on.
    pub(super) fn release(&self, length: usize) {
        match self {
            Self::Http2(stream) => stream.release(length),
            // Nothing is read while something is there: the connection itself slows the caller down.
            Self::Http1(_) => {}
        }
    }

    /// Ready when it wants nothing more.
    pub(super) fn poll_over(&self, cx: &mut Context<'_>) -> Poll<Over> {
        match self {
            Self::Http2(stream) => stream.poll_over(cx),
            Self::Http1(stream) => stream.poll_over(cx),
        }
    }

    /// Sends the head of an answer that is passed back. `end`: that is all.
    ///
    /// # Errors
    /// When the caller is gone.
    pub(super) fn send_answer(&self, end: bool, head: &Head, routed: &Routed) -> Result<(), Over> {
        match self {
            Self::Http2(stream) => stream.send_head(end, |writer| message::answer(writer, head, routed)),
            Self::Http1(stream) => {
                stream.put_answer(end, head, routed);
                Ok(())
            }
        }
    }

    /// Sends the head of an interim answer.
    ///
    /// # Errors
    /// When the caller is gone.
    pub(super) fn send_interim(&self, head: &Head) -> Result<(), Over> {
        match self {
            Self::Http2(stream) => stream.send_head(false, |writer| message::interim(writer, head)),
            Self::Http1(stream) => {
                stream.put_interim(head);
                Ok(())
            }
        }
    }

    /// Sends an answer of our own but for its body; whether that follows. `sized`: whether its head tells the body's length.
    pub(super) fn send_reply(&self, reply: &Reply, sized: bool, to_head: bool) -> Result<bool, Over> {
        match self {
            Self::Http2(stream) => {
                let ends = reply.body.is_empty() || to_head || reply.is_bodiless();
                stream.send_head(ends, |writer| message::reply(writer, reply, sized)).map(|()| !ends)
            }
            Self::Http1(stream) => {
                stream.put_reply(reply);
                Ok(false)
            }
        }
    }

    /// Sends all of a piece of the answer's body.
    ///
    /// # Errors
    /// When the caller is gone.
    pub(super) async fn send(&self, mut data: Bytes, end: bool) -> Result<(), Over> {
        if data.is_empty() && !end {
            return Ok(());
        }
        poll_fn(|cx| match self {
            Self::Http2(stream) => stream.poll_send(cx, &mut data, end),
            Self::Http1(stream) => stream.poll_send(cx, &mut data, end),
        })
        .await
    }

    /// Sends the answer's trailers, and with them the end.
    ///
    /// # Errors
    /// When the caller is gone.
    pub(super) async fn send_trailers(&self, trailers: &Head) -> Result<(), Over> {
        match self {
            Self::Http2(stream) => stream.send_head(true, |writer| message::trailers(writer, trailers)),
            Self::Http1(stream) => {
                stream.put_trailers(trailers);
                self.flush().await
            }
        }
    }

    /// Sees that what was sent leaves.
    ///
    /// # Errors
    /// When the caller is gone.
    pub(super) async fn flush(&self) -> Result<(), Over> {
        match self {
            // Its connection's task does.
            Self::Http2(_) => Ok(()),
            Self::Http1(stream) => poll_fn(|cx| stream.poll_flush(cx)).await,
        }
    }

    /// Gives the request up.
    pub(super) fn reset(&self, code: Code) {
        match self {
            Self::Http2(stream) => stream.reset(code),
            Self::Http1(stream) => stream.cut(),
        }
    }
}
