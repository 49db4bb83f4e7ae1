//! Buffers for relays, lent to whichever connection has bytes at hand.

use std::{cell::RefCell, fmt};

/// A buffer.
pub(crate) type Buffer = Box<[u8]>;

/// The size of a small one.
const SMALL: usize = 64 * 1024;
/// The size of a large one: as much as a socket holds when a stream flows.
const LARGE: usize = 256 * 1024;
/// How many small ones are kept for the next.
const KEEP_SMALL: usize = 8;
/// How many large ones are kept for the next.
const KEEP_LARGE: usize = 2;

/// The buffers of a worker that nobody uses: at most one MiB.
#[derive(Default)]
pub struct Buffers {
    small: RefCell<Vec<Buffer>>,
    large: RefCell<Vec<Buffer>>,
}

impl fmt::Debug for Buffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} small and {} large buffers", self.small.borrow().len(), self.large.borrow().len())
    }
}

impl Buffers {
    /// A buffer; its content is what the last user left.
    pub(crate) fn take(&self, large: bool) -> Buffer {
        let (kept, size) = if large { (&self.large, LARGE) } else { (&self.small, SMALL) };
        kept.borrow_mut().pop().unwrap_or_else(|| vec![0; size].into())
    }

    /// Takes a buffer back.
    pub(crate) fn put(&self, buffer: Buffer) {
        let (kept, keep) = if self.is_large(&buffer) { (&self.large, KEEP_LARGE) } else { (&self.small, KEEP_SMALL) };
        let mut kept = kept.borrow_mut();
        if kept.len() < keep {
            kept.push(buffer);
        }
    }

    /// Whether it is a large one.
    #[expect(clippy::unused_self, reason = "sizes are the pool's matter")]
    pub(crate) fn is_large(&self, buffer: &Buffer) -> bool {
        buffer.len() > SMALL
    }

    /// The size of a small one.
    #[expect(clippy::unused_self, reason = "sizes are the pool's matter")]
    pub(crate) fn small(&self) -> usize {
        SMALL
    }
}
