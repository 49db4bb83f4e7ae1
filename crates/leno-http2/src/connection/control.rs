//! Answers to frames of the other side that wait to be written: as many as it asks for, whether it reads them or not.

use std::collections::VecDeque;

/// Where each of them begins, counted from the first byte that was ever written.
#[derive(Debug, Default)]
pub(super) struct Control {
    begins: VecDeque<u64>,
    written: u64,
}

impl Control {
    /// One more comes behind an output of this length; how many wait then.
    pub(super) fn push(&mut self, output: usize) -> usize {
        self.begins.push_back(self.written.saturating_add(output as u64));
        self.begins.len()
    }

    /// So many bytes of the output were written.
    pub(super) fn written(&mut self, count: usize) {
        self.written = self.written.saturating_add(count as u64);
        while self.begins.front().is_some_and(|begin| *begin < self.written) {
            self.begins.pop_front();
        }
        if self.begins.is_empty() && self.begins.capacity() > 0 {
            self.begins = VecDeque::new();
        }
    }
}
