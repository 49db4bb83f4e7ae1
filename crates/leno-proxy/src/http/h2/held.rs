//! A body of HTTP/2 that is held back.

use std::{future::poll_fn, time::Duration};

use bytes::Bytes;
use leno_http2::Head;

use super::{
    super::held::{Incoming, Unheld, unless_idle},
    caller::Caller,
};

/// How a body ends.
#[derive(Debug)]
pub(in crate::http) enum End {
    Plain,
    Trailers(Head),
}

/// A body that is held back, on its stream.
pub(in crate::http) struct Held<'a> {
    pub(super) from: &'a Caller<'a>,
    /// What came.
    pub(super) pieces: Vec<Bytes>,
    /// How it ends, once that is known.
    pub(super) end: Option<End>,
}

impl<'a> Held<'a> {
    /// The body of a stream.
    pub(super) fn new(from: &'a Caller<'a>) -> Self {
        Self::begun(from, Vec::new())
    }

    /// The same, of which this was read already.
    pub(in crate::http) fn begun(from: &'a Caller<'a>, pieces: Vec<Bytes>) -> Self {
        let end = from.is_end().then_some(End::Plain);
        Self { from, pieces, end }
    }

    /// How many bytes are there.
    pub(super) fn length(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.len() as u64).sum()
    }

    /// The next piece, or the end.
    async fn receive(&mut self) -> Result<(), Unheld> {
        match poll_fn(|cx| self.from.poll_data(cx)).await.map_err(|_| Unheld::Gone)? {
            Some(piece) => {
                self.from.release(piece.len());
                self.pieces.push(piece);
                if self.from.is_end() {
                    self.end = Some(End::Plain);
                }
            }
            None => self.end = Some(self.from.trailers().map_or(End::Plain, End::Trailers)),
        }
        Ok(())
    }
}

impl Incoming for Held<'_> {
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
