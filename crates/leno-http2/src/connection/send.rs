//! What this side says.

use super::{
    Connection, Expected, REMEMBERED, Role,
    stream::Coming,
    writer::{self, Writer},
};
use crate::{
    Code, StreamError,
    frame::{self, DATA, END_STREAM, MAX_STREAM, RST_STREAM, WINDOW_UPDATE},
};

/// How much of a body was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// So many bytes.
    pub taken: usize,
    /// What the rest waits for; `None`: all was taken.
    pub stalled: Option<Stalled>,
}

/// What the rest of a piece waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stalled {
    /// The window of the stream: [`crate::Event::Window`] names it.
    Stream,
    /// The window of the connection, or that the output is written.
    Connection,
}

impl<T: Default> Connection<T> {
    /// Opens a stream and sends a request's head. `end`: that is all.
    ///
    /// # Errors
    /// When none can be opened.
    pub fn open(
        &mut self,
        user: T,
        end: bool,
        expected: Expected,
        write: impl FnOnce(&mut Writer<'_>),
    ) -> Result<u32, StreamError> {
        if self.role == Role::Server || !self.is_usable() || self.active >= self.peer.max_concurrent_streams {
            return Err(StreamError::Unavailable);
        }
        let id = self.next;
        self.next = if id >= MAX_STREAM - 1 { u32::MAX } else { id + 2 };
        self.insert(id, user, |stream| {
            (stream.coming, stream.expected, stream.sending) = (Coming::Head, expected, !end);
        });
        self.block_out(id, end, write);
        Ok(id)
    }

    /// Sends the head of an answer. `end`: that is all.
    ///
    /// # Errors
    /// When the stream takes nothing any more.
    pub fn head(&mut self, id: u32, end: bool, write: impl FnOnce(&mut Writer<'_>)) -> Result<(), StreamError> {
        let stream = self.streams.get_mut(id).filter(|stream| stream.sending).ok_or(StreamError::Closed)?;
        stream.sending = !end;
        self.block_out(id, end, write);
        self.settle(id);
        Ok(())
    }

    /// Sends trailers, and with them the end.
    ///
    /// # Errors
    /// When the stream takes nothing any more.
    pub fn trailers(&mut self, id: u32, write: impl FnOnce(&mut Writer<'_>)) -> Result<(), StreamError> {
        self.head(id, true, write)
    }

    /// Sends what can be sent of a piece of a body; `end`: nothing follows it.
    ///
    /// # Errors
    /// When the stream takes nothing any more.
    pub fn data(&mut self, id: u32, data: &[u8], end: bool) -> Result<Sent, StreamError> {
        let mut taken = 0;
        loop {
            let stream = self.streams.get_mut(id).filter(|stream| stream.sending).ok_or(StreamError::Closed)?;
            let rest = data.get(taken..).unwrap_or_default();
            let room = self.settings.output.saturating_sub(self.out.len());
            if !rest.is_empty() && stream.send_window <= 0 {
                return Ok(Sent { taken, stalled: Some(Stalled::Stream) });
            }
            if !rest.is_empty() && (self.send_window <= 0 || room == 0) {
                return Ok(Sent { taken, stalled: Some(Stalled::Connection) });
            }
            let window = usize::try_from(stream.send_window.min(self.send_window).max(0)).unwrap_or(usize::MAX);
            // Not cut to the room: a frame that is begun is as large as it can be.
            let length = rest.len().min(window).min(self.peer.max_frame as usize);
            let last = length == rest.len();
            if length > 0 || end {
                let part = rest.get(..length).unwrap_or_default();
                self.counted.data += 1;
                frame::head(&mut self.out, length, DATA, if last && end { END_STREAM } else { 0 }, id);
                self.out.extend_from_slice(part);
            }
            let counted = i64::try_from(length).unwrap_or(i64::MAX);
            stream.send_window -= counted;
            self.send_window -= counted;
            taken += length;
            if last {
                stream.sending = !end;
                self.settle(id);
                return Ok(Sent { taken, stalled: None });
            }
        }
    }

    /// Resets a stream; nothing happens when it has ended.
    pub fn reset(&mut self, id: u32, code: Code) {
        let open = self.streams.get_mut(id).is_some_and(|stream| !stream.is_closed());
        if open {
            self.reset_out(id, code);
            self.end(id);
        }
    }

    /// Nobody looks at a stream any more: resets it when it has not ended, and gives up what came and was not used.
    /// `unused`: bytes of its body for which [`Self::release`] was not called.
    pub fn forget(&mut self, id: u32, unused: usize) {
        self.release_connection(unused);
        let Some(stream) = self.streams.get_mut(id) else { return };
        stream.held = false;
        // Whoever has its answer needs no more of the request (RFC 9113, 8.1).
        let answered = self.role == Role::Server && !stream.sending;
        let code = if answered { Code::NO_ERROR } else { Code::CANCEL };
        if stream.is_closed() {
            self.settle(id);
        } else {
            self.reset(id, code);
        }
    }

    /// Bytes of a body were used: as many more may come.
    pub fn release(&mut self, id: u32, length: usize) {
        self.release_connection(length);
        if let Some(stream) = self.streams.get_mut(id)
            && stream.coming != Coming::Nothing
            && let Some(more) = stream.window.release(u32::try_from(length).unwrap_or(u32::MAX))
        {
            frame::number(&mut self.out, WINDOW_UPDATE, id, more);
        }
    }

    pub(super) fn release_connection(&mut self, length: usize) {
        if let Some(more) = self.window.release(u32::try_from(length).unwrap_or(u32::MAX)) {
            frame::number(&mut self.out, WINDOW_UPDATE, 0, more);
        }
    }

    /// Writes RST_STREAM, and remembers that what is under way for the stream means nothing.
    pub(super) fn reset_out(&mut self, id: u32, code: Code) {
        frame::number(&mut self.out, RST_STREAM, id, code.0);
        if self.reset.len() >= REMEMBERED {
            self.reset.pop_front();
        }
        self.reset.push_back(id);
    }

    fn block_out(&mut self, id: u32, end: bool, write: impl FnOnce(&mut Writer<'_>)) {
        let max_frame = self.peer.max_frame as usize;
        writer::block(&mut self.encoder, &mut self.out, max_frame, (id, end), write);
    }
}
