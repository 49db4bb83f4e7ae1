//! A body of HTTP/1.1 that is held back.

use std::{future::poll_fn, time::Duration};

use leno_http1::{Body, RequestHead};
use tokio::io::AsyncWriteExt as _;

use super::super::held::{Incoming, Unheld, unless_idle};
use crate::{http_buffer::Buffer, io::Io};

/// A body that is held back, on its connection.
pub(super) struct Held<'a> {
    io: &'a mut Io,
    input: &'a mut Buffer,
    /// Whether the caller waits to be asked for it.
    waits: bool,
    kept: Kept,
}

/// What was read of a body.
pub(super) struct Kept {
    /// How far it came.
    pub(super) body: Body,
    /// As it came, framing included.
    pub(super) framed: Vec<u8>,
    /// Its content.
    content: Vec<u8>,
}

impl Kept {
    /// Its content.
    pub(super) fn content(&self) -> &[u8] {
        &self.content
    }

    /// Bytes of its content.
    pub(super) fn length(&self) -> u64 {
        self.content.len() as u64
    }
}

impl<'a> Held<'a> {
    /// The body of a request with this head; `continues`: its `Expect` header.
    pub(super) fn new(io: &'a mut Io, input: &'a mut Buffer, head: &RequestHead, expects: Option<&[u8]>) -> Self {
        let waits = expects.is_some_and(|value| value.eq_ignore_ascii_case(b"100-continue"));
        let kept = Kept { body: Body::new(head.framing), framed: Vec::new(), content: Vec::new() };
        Self { io, input, waits, kept }
    }

    /// What was read of it.
    pub(super) fn kept(self) -> Kept {
        self.kept
    }
}

impl Incoming for Held<'_> {
    async fn hold(&mut self, most: usize, idle: Duration) -> Result<(), Unheld> {
        while !self.kept.body.is_complete() && self.kept.content.len() < most {
            if self.input.is_empty() {
                if std::mem::take(&mut self.waits) {
                    let asked = self.io.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await;
                    asked.map_err(|_| Unheld::Gone)?;
                    self.io.flush().await.map_err(|_| Unheld::Gone)?;
                }
                let read = unless_idle(idle, poll_fn(|cx| self.input.poll_read(self.io, cx))).await?;
                if !matches!(read, Ok(1..)) {
                    return Err(Unheld::Gone);
                }
            }
            let Kept { body, framed, content } = &mut self.kept;
            let filled = self.input.filled();
            let advanced = body.advance(filled, |piece| content.extend_from_slice(piece));
            let advanced = advanced.map_err(|error| Unheld::Malformed(error.to_string()))?;
            framed.extend_from_slice(filled.get(..advanced.framed).unwrap_or_default());
            self.input.consume(advanced.framed);
        }
        Ok(())
    }

    fn content(&self, most: usize) -> Vec<u8> {
        self.kept.content.iter().take(most).copied().collect()
    }

    fn length(&self) -> u64 {
        self.kept.length()
    }

    fn is_complete(&self) -> bool {
        self.kept.body.is_complete()
    }
}
