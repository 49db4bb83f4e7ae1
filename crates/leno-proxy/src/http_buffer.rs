//! Input buffers that exist only while there is something in them: an idle connection holds none.

use std::{
    cell::RefCell,
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, ReadBuf};

use crate::io::Io;

/// The first size: a record of TLS, and then some.
const SMALL: usize = 20 * 1024;
/// The largest size: what a head may have, and a read.
const LARGE: usize = 128 * 1024;
/// How many small ones a thread keeps for the next.
const KEEP: usize = 32;

thread_local! {
    /// Small buffers that nobody uses at the moment.
    static FREE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Bytes that were read and not yet used.
#[derive(Default)]
pub struct Buffer {
    /// Empty, or of a fixed length of which `start..end` is filled.
    data: Vec<u8>,
    start: usize,
    end: usize,
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.end - self.start)
    }
}

impl From<Vec<u8>> for Buffer {
    fn from(data: Vec<u8>) -> Self {
        Self { start: 0, end: data.len(), data }
    }
}

impl Buffer {
    /// What was read and not yet used.
    #[must_use]
    pub fn filled(&self) -> &[u8] {
        self.data.get(self.start..self.end).unwrap_or_default()
    }

    /// Whether nothing is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// How much is there.
    #[must_use]
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Counts bytes as used.
    pub fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Reads once behind what is there; 0 at the end of the stream. Grows when it is full. Holds no memory while it is
    /// empty and nothing comes.
    ///
    /// # Errors
    /// When reading fails, or the buffer is at its largest and full.
    pub fn poll_read(&mut self, io: &mut Io, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.make_room()?;
        let free = self.data.get_mut(self.end..).unwrap_or_default();
        let mut target = ReadBuf::new(free);
        let polled = Pin::new(io).poll_read(cx, &mut target);
        let read = target.filled().len();
        if polled.is_pending() && self.is_empty() {
            self.release();
        }
        ready!(polled)?;
        self.end += read;
        Poll::Ready(Ok(read))
    }

    fn make_room(&mut self) -> io::Result<()> {
        if self.data.is_empty() {
            self.data = FREE.with_borrow_mut(Vec::pop).unwrap_or_else(|| vec![0; SMALL]);
            (self.start, self.end) = (0, 0);
        }
        if self.end < self.data.len() {
            return Ok(());
        }
        if self.start > 0 {
            self.data.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        } else if self.data.len() < LARGE {
            self.data.resize((self.data.len() * 2).clamp(SMALL, LARGE), 0);
        } else {
            return Err(io::Error::other("the input buffer is full"));
        }
        Ok(())
    }

    /// Gives the memory back, if nothing is in it.
    pub fn release(&mut self) {
        if !self.is_empty() || self.data.is_empty() {
            return;
        }
        let data = std::mem::take(&mut self.data);
        (self.start, self.end) = (0, 0);
        if data.len() == SMALL {
            FREE.with_borrow_mut(|free| {
                if free.len() < KEEP {
                    free.push(data);
                }
            });
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.consume(usize::MAX - self.end);
        self.release();
    }
}
