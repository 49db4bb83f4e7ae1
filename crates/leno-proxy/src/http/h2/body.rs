//! Bodies: frames are passed on as fast as the receiver's window allows, and the sender's window opens with it.

use std::{future::poll_fn, task::Poll};

use bytes::Bytes;
use leno_http2::Code;

use super::{called::Called, caller::Caller, upload::Progress};
use crate::h2::{Over, Stream};

/// How passing a body on failed.
#[derive(Debug)]
pub(super) enum Broken {
    /// The sender's stream was reset, for this reason, or its connection broke.
    Sender(Option<Code>),
    /// The receiver's.
    Receiver(Option<Code>),
    /// The request is larger than the limit.
    TooLarge,
}

/// Passes an answer's body and its trailers on to their end.
pub(super) async fn pass(from: &Called, to: &Caller<'_>, progress: &Progress) -> Result<(), Broken> {
    let gone = |over: Over| Broken::Receiver(over.code());
    while let Some(data) = next(from, to).await? {
        let length = data.len();
        progress.down.set(progress.down.get() + length as u64);
        progress.touch();
        let end = from.is_end();
        to.send(data, end).await.map_err(gone)?;
        if end {
            return Ok(());
        }
        progress.touch();
        // The window opens for what the receiver took: a slow receiver slows the sender down.
        from.release(length);
    }
    match from.trailers() {
        Some(trailers) => {
            progress.note_grpc(&trailers);
            to.send_trailers(&trailers).await.map_err(gone)
        }
        None => to.send(Bytes::new(), true).await.map_err(gone),
    }
}

/// The next piece of a body, or the end; whichever comes first of it and of a reset by the receiver.
async fn next(from: &Called, to: &Caller<'_>) -> Result<Option<Bytes>, Broken> {
    poll_fn(|cx| {
        // First, so that it leaves together with what a caller of HTTP/1.1 was not sent yet.
        if let Poll::Ready(data) = from.poll_data(cx) {
            return Poll::Ready(data.map_err(|over| Broken::Sender(over.code())));
        }
        to.poll_over(cx).map(|over| Err(Broken::Receiver(over.code())))
    })
    .await
}

/// Sends all of a piece, in parts as the window allows.
pub(super) async fn send(to: &Stream, mut data: Bytes, end: bool) -> Result<(), Broken> {
    if data.is_empty() && !end {
        return Ok(());
    }
    poll_fn(|cx| to.poll_send(cx, &mut data, end)).await.map_err(|over| Broken::Receiver(over.code()))
}
