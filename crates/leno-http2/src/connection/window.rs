//! How much may come: what was used is given back in large steps.

/// A window for what comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// Its size.
    size: u32,
    /// What may still come.
    left: u32,
    /// What was used and not given back yet.
    used: u32,
}

impl Window {
    pub(super) fn new(size: u32) -> Self {
        Self { size, left: size, used: 0 }
    }

    /// Counts what came; `false` when it is more than may come.
    #[must_use]
    pub(super) fn take(&mut self, length: u32) -> bool {
        match self.left.checked_sub(length) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }

    /// Counts what was used; how much is to be given back, once it is worth a frame.
    pub(super) fn release(&mut self, length: u32) -> Option<u32> {
        // No more than came, whatever the user says.
        let length = length.min(self.size - self.left - self.used);
        self.used += length;
        if self.used < self.size / 2 || self.used == 0 {
            return None;
        }
        self.left += self.used;
        Some(std::mem::take(&mut self.used))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_opens_again_in_large_steps() {
        let mut window = Window::new(100);
        assert!(window.take(60) && !window.take(41) && window.take(40));
        assert_eq!(window.release(49), None);
        assert_eq!(window.release(1), Some(50));
        assert!(window.take(50) && !window.take(1));
        assert_eq!(window.release(1000), Some(100));
    }
}
