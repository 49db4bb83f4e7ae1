//! The endpoint's side of a stream, in whichever version of HTTP it is spoken to.

use std::{
    future::poll_fn,
    task::{Context, Poll},
};

use bytes::Bytes;
use leno_http2::{Code, Head};

use super::{
    body::{self, Broken},
    message,
    raw::Raw,
    translate::Translated,
    tunnel::{SWITCHED, Tunnel},
};
use crate::{
    h2::{Over, Stream},
    upstream::Lease,
};

/// An endpoint that was sent a request's head.
pub(super) enum Called {
    /// By HTTP/2.
    Http2 {
        stream: Stream,
        /// Its place on a shared connection.
        _lease: Lease,
    },
    /// By HTTP/1.1, on a connection of its own.
    Http1(Box<Translated>),
    /// In bytes, where CONNECT ends here.
    Bytes(Box<Raw>),
}

impl Called {
    /// The head of its answer; interim ones come first. `tunnel`: what the request asks for besides one.
    pub(super) fn poll_answer(&self, tunnel: Tunnel, cx: &mut Context<'_>) -> Poll<Result<Head, Over>> {
        let answer = match self {
            Self::Http2 { stream, .. } => stream.poll_answer(cx).map_ok(|head| {
                let switches = tunnel == Tunnel::Upgrade && head.status() == 200;
                if switches { head.with_status(SWITCHED) } else { head }
            }),
            Self::Http1(translated) => translated.poll_answer(cx),
            Self::Bytes(raw) => raw.poll_answer(),
        };
        answer.map_ok(|mut head| {
            // What comes through a tunnel is no body, whatever is said of its length (RFC 9110, 8.6).
            if tunnel.opens(head.status()) {
                head.retain(|name| name != b"content-length");
            }
            head
        })
    }

    /// The next piece of the body; `None` when there is no more: see [`Self::trailers`].
    pub(super) fn poll_data(&self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Over>> {
        match self {
            Self::Http2 { stream, .. } => stream.poll_data(cx),
            Self::Http1(translated) => translated.poll_data(cx),
            Self::Bytes(raw) => raw.poll_data(cx),
        }
    }

    /// The trailers, once the body is over. Those of HTTP/1.1 are dropped unless the cluster says otherwise, as Envoy does.
    pub(super) fn trailers(&self) -> Option<Head> {
        match self {
            Self::Http2 { stream, .. } => stream.trailers(),
            Self::Http1(translated) => translated.trailers(),
            Self::Bytes(_) => None,
        }
    }

    /// Whether all that came was taken, and nothing more will come.
    pub(super) fn is_end(&self) -> bool {
        match self {
            Self::Http2 { stream, .. } => stream.is_end(),
            Self::Http1(translated) => translated.is_end(),
            Self::Bytes(raw) => raw.is_end(),
        }
    }

    /// Bytes of the body were passed on.
    pub(super) fn release(&self, length: usize) {
        match self {
            Self::Http2 { stream, .. } => stream.release(length),
            // Nothing is read while something is there: the connection itself slows the endpoint down.
            Self::Http1(_) | Self::Bytes(_) => {}
        }
    }

    /// Ready when it takes nothing more.
    pub(super) fn poll_over(&self, cx: &Context<'_>) -> Poll<Over> {
        match self {
            Self::Http2 { stream, .. } => stream.poll_over(cx),
            Self::Http1(_) | Self::Bytes(_) => Poll::Pending,
        }
    }

    /// Sends all of a piece of the request's body.
    pub(super) async fn send(&self, mut data: Bytes, end: bool) -> Result<(), Broken> {
        match self {
            Self::Http2 { stream, .. } => body::send(stream, data, end).await,
            Self::Http1(translated) => {
                let sent = poll_fn(|cx| translated.poll_send(cx, &mut data, end)).await;
                sent.map_err(|over| Broken::Receiver(over.code()))
            }
            Self::Bytes(raw) => {
                let sent = poll_fn(|cx| raw.poll_send(cx, &mut data, end)).await;
                sent.map_err(|over| Broken::Receiver(over.code()))
            }
        }
    }

    /// Sends the request's trailers, and with them the end. HTTP/1.1 gets them where its cluster says so.
    pub(super) async fn send_trailers(&self, trailers: &Head) -> Result<(), Broken> {
        match self {
            Self::Http2 { stream, .. } => {
                let sent = stream.send_head(true, |writer| message::trailers(writer, trailers));
                sent.map_err(|over| Broken::Receiver(over.code()))
            }
            Self::Http1(translated) => {
                translated.put_trailers(trailers);
                self.send(Bytes::new(), true).await
            }
            Self::Bytes(_) => self.send(Bytes::new(), true).await,
        }
    }

    /// Gives the request up.
    pub(super) fn reset(&self, code: Code) {
        match self {
            Self::Http2 { stream, .. } => stream.reset(code),
            // Its connection is closed when it is dropped, as the request is not complete.
            Self::Http1(_) | Self::Bytes(_) => {}
        }
    }
}
