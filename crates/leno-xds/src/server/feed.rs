//! What may have changed, told to every stream.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::sync::watch;

use crate::ResourceType;

/// How many changes are remembered by name. A stream that is further behind compares all that it subscribes to, which
/// is as right and only costs more.
const REMEMBERED: usize = 128;

/// The resources that may have changed. Naming one that has not is harmless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changes {
    /// Any of them.
    All,
    /// These, by type and name.
    Names(BTreeSet<(ResourceType, Arc<str>)>),
}

impl Changes {
    /// No change at all.
    #[must_use]
    pub fn none() -> Self {
        Self::Names(BTreeSet::new())
    }

    /// Adds what `other` names.
    pub fn merge(&mut self, other: &Self) {
        match (&mut *self, other) {
            (Self::All, _) => {}
            (Self::Names(_), Self::All) => *self = Self::All,
            (Self::Names(names), Self::Names(more)) => names.extend(more.iter().cloned()),
        }
    }
}

/// A bounded log of changes, with a bell. Sources publish, streams read at their own speed.
#[derive(Debug)]
pub struct ChangeFeed {
    log: Mutex<VecDeque<Entry>>,
    bell: watch::Sender<u64>,
}

#[derive(Debug)]
struct Entry {
    at: Instant,
    changes: Arc<Changes>,
}

/// What a stream has not seen yet.
#[derive(Debug)]
pub(crate) struct Unseen {
    /// The position up to which it has seen all now.
    pub(crate) position: u64,
    /// When the oldest of it was published.
    pub(crate) since: Instant,
    pub(crate) changes: Changes,
}

impl Default for ChangeFeed {
    fn default() -> Self {
        Self {
            log: Mutex::new(VecDeque::with_capacity(REMEMBERED)),
            bell: watch::channel(0).0,
        }
    }
}

impl ChangeFeed {
    /// An empty feed.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells every stream that resources may have changed.
    pub fn publish(&self, changes: Changes) {
        let mut log = self.log();
        if log.len() == REMEMBERED {
            log.pop_front();
        }
        log.push_back(Entry {
            at: Instant::now(),
            changes: Arc::new(changes),
        });
        // Under the lock, so that positions and entries agree.
        self.bell.send_modify(|position| *position += 1);
    }

    /// How many changes were published.
    #[must_use]
    pub fn position(&self) -> u64 {
        *self.bell.borrow()
    }

    pub(crate) fn listen(&self) -> watch::Receiver<u64> {
        self.bell.subscribe()
    }

    /// What was published after `position`; `None` when nothing was.
    pub(crate) fn after(&self, position: u64) -> Option<Unseen> {
        let log = self.log();
        let now = *self.bell.borrow();
        let missed = usize::try_from(now.saturating_sub(position)).unwrap_or(usize::MAX);
        if missed == 0 {
            return None;
        }
        let mut changes = if missed > log.len() {
            Changes::All
        } else {
            Changes::none()
        };
        let mut since = Instant::now();
        for entry in log.iter().rev().take(missed) {
            changes.merge(&entry.changes);
            since = entry.at;
        }
        Some(Unseen {
            position: now,
            since,
            changes,
        })
    }

    fn log(&self) -> MutexGuard<'_, VecDeque<Entry>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> Changes {
        Changes::Names(BTreeSet::from([(ResourceType::Cluster, name.into())]))
    }

    #[test]
    fn a_reader_gets_all_it_has_not_seen_and_no_more() {
        let feed = ChangeFeed::new();
        assert!(feed.after(0).is_none());
        feed.publish(name("a"));
        let seen = feed.after(0).unwrap();
        assert_eq!((seen.position, seen.changes), (1, name("a")));
        feed.publish(name("b"));
        feed.publish(name("c"));
        let seen = feed.after(seen.position).unwrap();
        let mut expected = name("b");
        expected.merge(&name("c"));
        assert_eq!((seen.position, seen.changes), (3, expected));
        assert!(feed.after(3).is_none());
    }

    #[test]
    fn a_reader_far_behind_is_told_to_compare_everything() {
        let feed = ChangeFeed::new();
        for _ in 0..=REMEMBERED {
            feed.publish(name("a"));
        }
        assert_eq!(feed.after(0).unwrap().changes, Changes::All);
        assert_eq!(feed.after(1).unwrap().changes, name("a"));
    }
}
