//! What may have changed, told to every stream.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::sync::watch;

/// How many changes are remembered. A stream that is further behind compares all that it subscribes to, which is as
/// right and only costs more.
const REMEMBERED: usize = 128;

/// A bounded log of changes, with a bell. Sources publish, streams read at their own speed.
#[derive(Debug)]
pub struct ChangeFeed<T> {
    log: Mutex<VecDeque<Entry<T>>>,
    bell: watch::Sender<u64>,
}

#[derive(Debug)]
struct Entry<T> {
    at: Instant,
    change: Arc<T>,
}

/// What a stream has not seen yet.
#[derive(Debug)]
pub(super) struct Unseen<T> {
    /// The position up to which it has seen all now.
    pub(super) position: u64,
    /// When the oldest of it was published.
    pub(super) since: Instant,
    /// The changes; `None` when some are forgotten.
    pub(super) changes: Option<Vec<Arc<T>>>,
}

impl<T> Default for ChangeFeed<T> {
    fn default() -> Self {
        Self { log: Mutex::new(VecDeque::with_capacity(REMEMBERED)), bell: watch::channel(0).0 }
    }
}

impl<T> ChangeFeed<T> {
    /// An empty feed.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells every stream of a change.
    pub fn publish(&self, change: T) {
        let mut log = self.log();
        if log.len() == REMEMBERED {
            log.pop_front();
        }
        log.push_back(Entry { at: Instant::now(), change: Arc::new(change) });
        // Under the lock, so that positions and entries agree.
        self.bell.send_modify(|position| *position += 1);
    }

    /// How many changes were published.
    #[must_use]
    pub fn position(&self) -> u64 {
        *self.bell.borrow()
    }

    pub(super) fn listen(&self) -> watch::Receiver<u64> {
        self.bell.subscribe()
    }

    /// What was published after `position`; `None` when nothing was.
    pub(super) fn after(&self, position: u64) -> Option<Unseen<T>> {
        if self.position() == position {
            return None;
        }
        let log = self.log();
        let now = *self.bell.borrow();
        let missed = usize::try_from(now.saturating_sub(position)).unwrap_or(usize::MAX);
        let unseen = log.iter().rev().take(missed);
        let since = unseen.clone().next_back().map_or_else(Instant::now, |entry| entry.at);
        let changes = (missed <= log.len()).then(|| unseen.map(|entry| Arc::clone(&entry.change)).collect());
        Some(Unseen { position: now, since, changes })
    }

    fn log(&self) -> MutexGuard<'_, VecDeque<Entry<T>>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(unseen: &Unseen<char>) -> Option<String> {
        unseen.changes.as_ref().map(|changes| changes.iter().rev().map(|change| **change).collect())
    }

    #[test]
    fn a_reader_gets_all_it_has_not_seen_and_no_more() {
        let feed = ChangeFeed::new();
        assert!(feed.after(0).is_none());
        feed.publish('a');
        let unseen = feed.after(0).unwrap();
        assert_eq!((unseen.position, changes(&unseen)), (1, Some("a".into())));
        feed.publish('b');
        feed.publish('c');
        let unseen = feed.after(unseen.position).unwrap();
        assert_eq!((unseen.position, changes(&unseen)), (3, Some("bc".into())));
        assert!(feed.after(3).is_none());
    }

    #[test]
    fn a_reader_far_behind_is_told_to_compare_everything() {
        let feed = ChangeFeed::new();
        for _ in 0..=REMEMBERED {
            feed.publish('a');
        }
        assert_eq!(changes(&feed.after(0).unwrap()), None);
        assert_eq!(changes(&feed.after(1).unwrap()), Some("a".repeat(REMEMBERED)));
    }
}
