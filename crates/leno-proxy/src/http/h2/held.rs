//! A body of HTTP/2 that is held back.

use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use http::HeaderMap;

use super::super::held::{Incoming, Unheld, unless_idle};

/// How a body ends.
#[derive(Clone, Debug)]
pub(super) enum End {
    Plain,
    Trailers(HeaderMap),
}

/// A body that is held back, on its stream.
pub(super) struct Held {
    pub(super) from: RecvStream,
    /// What came.
    pub(super) pieces: Vec<Bytes>,
    /// How it ends, once that is known.
    pub(super) end: Option<End>,
}

impl Held {
    /// The body of a stream.
    pub(super) fn new(from: RecvStream) -> Self {
        let end = from.is_end_stream().then_some(End::Plain);
        Self { from, pieces: Vec::new(), end }
    }

    /// How many bytes are there.
    pub(super) fn length(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.len() as u64).sum()
    }

    /// The next piece, or the end.
    async fn receive(&mut self) -> Result<(), Unheld> {
        match self.from.data().await {
            Some(Ok(piece)) => {
                // A stream that is gone says so when it is read.
                self.from.flow_control().release_capacity(piece.len()).ok();
                if !piece.is_empty() {
                    self.pieces.push(piece);
                }
                if self.from.is_end_stream() {
                    self.end = Some(End::Plain);
                }
            }
            Some(Err(_)) => return Err(Unheld::Gone),
            None => {
                let trailers = self.from.trailers().await.map_err(|_| Unheld::Gone)?;
                self.end = Some(trailers.map_or(End::Plain, End::Trailers));
            }
        }
        Ok(())
    }
}

impl Incoming for Held {
    async fn hold(&mut self, most: usize, idle: Duration) -> Result<(), Unheld> {
        while self.end.is_none() && self.length() < most as u64 {
            unless_idle(idle, self.receive()).await??;
        }
        Ok(())
    }

    fn content(&self, most: usize) -> Vec<u8> {
        self.pieces.iter().flatten().take(most).copied().collect()
    }

    fn length(&self) -> u64 {
        Self::length(self)
    }

    fn is_complete(&self) -> bool {
        self.end.is_some()
    }
}
