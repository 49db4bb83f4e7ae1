//! Bodies: frames are passed on as fast as the receiver's window allows, and the sender's window opens with it.

use std::future::poll_fn;

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream};

use super::upload::Progress;

/// How passing a body on failed.
#[derive(Debug)]
pub(super) enum Broken {
    /// The sender's stream was reset, for this reason, or its connection broke.
    Sender(Option<Reason>),
    /// The receiver's.
    Receiver(Option<Reason>),
    /// The request is larger than the limit.
    TooLarge,
}

/// Passes an answer's body and its trailers on to their end.
pub(super) async fn pass(mut from: RecvStream, to: &mut SendStream<Bytes>, progress: &Progress) -> Result<(), Broken> {
    while let Some(data) = next(&mut from, to).await? {
        let length = data.len();
        progress.down.set(progress.down.get() + length as u64);
        progress.touch();
        send(to, data, from.is_end_stream()).await?;
        progress.touch();
        // The window opens for what the receiver took: a slow receiver slows the sender down.
        from.flow_control().release_capacity(length).map_err(|error| Broken::Sender(error.reason()))?;
        if from.is_end_stream() {
            return Ok(());
        }
    }
    match from.trailers().await {
        Ok(Some(map)) => {
            progress.note_grpc(&map);
            to.send_trailers(map).map_err(|error| Broken::Receiver(error.reason()))
        }
        Ok(None) => to.send_data(Bytes::new(), true).map_err(|error| Broken::Receiver(error.reason())),
        Err(error) => Err(Broken::Sender(error.reason())),
    }
}

/// The next piece of a body, or the end; whichever comes first of it and of a reset by the receiver.
async fn next(from: &mut RecvStream, to: &mut SendStream<Bytes>) -> Result<Option<Bytes>, Broken> {
    poll_fn(|cx| {
        if let std::task::Poll::Ready(reset) = to.poll_reset(cx) {
            return std::task::Poll::Ready(Err(Broken::Receiver(reset.ok())));
        }
        from.poll_data(cx).map(|data| match data {
            Some(Ok(data)) => Ok(Some(data)),
            Some(Err(error)) => Err(Broken::Sender(error.reason())),
            None => Ok(None),
        })
    })
    .await
}

/// Sends all of a piece, in parts as the window allows.
pub(super) async fn send(to: &mut SendStream<Bytes>, mut data: Bytes, end: bool) -> Result<(), Broken> {
    if data.is_empty() {
        return match end {
            true => to.send_data(data, true).map_err(|error| Broken::Receiver(error.reason())),
            false => Ok(()),
        };
    }
    while !data.is_empty() {
        to.reserve_capacity(data.len());
        let capacity = if to.capacity() > 0 {
            to.capacity()
        } else {
            match poll_fn(|cx| to.poll_capacity(cx)).await {
                Some(Ok(capacity)) => capacity,
                Some(Err(error)) => return Err(Broken::Receiver(error.reason())),
                None => return Err(Broken::Receiver(None)),
            }
        };
        let part = data.split_to(capacity.min(data.len()));
        let last = end && data.is_empty();
        to.send_data(part, last).map_err(|error| Broken::Receiver(error.reason()))?;
    }
    Ok(())
}
