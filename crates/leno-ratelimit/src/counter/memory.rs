//! Counting in this process.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use super::{CounterError, Hits, Key};

/// How many counters there may be at the same time, of all shares together.
pub const LARGEST: usize = 1 << 20;

/// Counters in memory. What its window is over for is forgotten when room is needed.
///
/// Each share (a namespace, a domain) may have as many counters as are free besides: one alone half of them all, two that
/// take what they get a third each. A thousandth of all it may have in any case, however little is free: there are only the
/// shares that somebody has written limits for.
#[derive(Debug)]
pub struct Memory {
    largest: usize,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    of: HashMap<String, HashMap<Key, u64>>,
    /// How many there are in all shares.
    len: usize,
    /// How many there may be until those whose window is over are thrown out.
    sweep_at: usize,
    /// The second in which that was done last: it looks at every counter, so once in one is enough.
    swept: Option<u64>,
}

/// How many counters are not worth a sweep.
const FEW: usize = 1 << 10;

impl Default for Memory {
    fn default() -> Self {
        Self { largest: LARGEST, counts: Mutex::default() }
    }
}

impl Memory {
    pub(super) fn add(&self, share: &str, hits: &[Hits], now: u64) -> Result<Vec<u64>, CounterError> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        hits.iter().map(|hits| counts.add(share, hits, now, self.largest)).collect()
    }

    /// How many counters there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).len
    }

    /// Whether nothing was counted yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Counts {
    fn add(&mut self, share: &str, hits: &Hits, now: u64, largest: usize) -> Result<u64, CounterError> {
        if let Some(count) = self.of.get_mut(share).and_then(|counts| counts.get_mut(&hits.key)) {
            *count = count.saturating_add(hits.count);
            return Ok(*count);
        }
        if self.len >= self.sweep_at.max(FEW) || self.is_full(share, largest) {
            self.sweep(now, largest);
        }
        if self.is_full(share, largest) {
            return Err(CounterError::Full);
        }
        self.of.entry(share.to_owned()).or_default().insert(hits.key.clone(), hits.count);
        self.len += 1;
        Ok(hits.count)
    }

    /// Whether this share has as many counters as are free.
    fn is_full(&self, share: &str, largest: usize) -> bool {
        let least = largest / 1024;
        self.of.get(share).map_or(0, HashMap::len) >= largest.saturating_sub(self.len).max(least)
    }

    /// Throws out what is over, unless that was done in this second.
    fn sweep(&mut self, now: u64, largest: usize) {
        if self.swept.replace(now) == Some(now) {
            return;
        }
        self.of.retain(|_, counts| {
            counts.retain(|key, _| key.start.saturating_add(key.seconds) > now);
            counts.shrink_to(counts.len() * 2);
            !counts.is_empty()
        });
        self.len = self.of.values().map(HashMap::len).sum();
        self.sweep_at = (self.len * 2).min(largest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(what: &str, start: u64, count: u64) -> Hits {
        Hits { key: Key { what: what.into(), start, seconds: 1 }, count }
    }

    fn small() -> Memory {
        Memory { largest: 12, counts: Mutex::default() }
    }

    /// How many new things of a share are counted at this time, of so many.
    fn counted(memory: &Memory, share: &str, now: u64, tries: usize) -> usize {
        let one = |number: &usize| memory.add(share, &[hits(&number.to_string(), now, 1)], now).is_ok();
        (0..tries).filter(one).count()
    }

    #[test]
    fn windows_keys_and_shares_are_counted_apart() {
        let memory = Memory::default();
        assert_eq!(memory.add("s", &[hits("a", 1, 1), hits("b", 1, 5), hits("a", 1, 2)], 1).unwrap(), [1, 5, 3]);
        assert_eq!(memory.add("s", &[hits("a", 2, 1), hits("b", 1, 0)], 2).unwrap(), [1, 5]);
        assert_eq!(memory.add("t", &[hits("a", 2, 1)], 2).unwrap(), [1]);
    }

    #[test]
    fn windows_that_are_over_are_forgotten() {
        let memory = Memory::default();
        for second in 0..10_000 {
            memory.add(&format!("s{}", second / 4000), &[hits("a", second, 1)], second).unwrap();
        }
        assert!(memory.len() <= FEW, "{}", memory.len());
        assert_eq!(memory.counts.lock().unwrap().of.len(), 1, "shares go with their last counter");
    }

    #[test]
    fn a_share_that_fills_up_leaves_room_for_others() {
        let memory = small();
        assert_eq!(counted(&memory, "greedy", 1, 100), 6);
        assert_eq!(counted(&memory, "other", 1, 2), 2);
        assert_eq!(counted(&memory, "greedy", 1, 100), 6, "what is counted is counted on, and nothing else");
        assert_eq!(counted(&memory, "third", 1, 100), 2);
        assert!(matches!(memory.add("greedy", &[hits("new", 1, 1)], 1), Err(CounterError::Full)));
        assert_eq!(counted(&memory, "greedy", 2, 100), 6, "in the next second the windows are over");
    }

    #[test]
    fn however_many_shares_fill_up_each_new_one_has_some() {
        let memory = Memory { largest: 4096, counts: Mutex::default() };
        let counted: Vec<_> = (0..40).map(|share| counted(&memory, &format!("s{share}"), 1, 3000)).collect();
        assert_eq!((counted[0], counted[39]), (2048, 4), "{counted:?}");
    }

    #[test]
    fn a_full_share_is_swept_once_a_second() {
        let memory = small();
        counted(&memory, "greedy", 1, 100);
        // Its window is over, but the sweep of this second was before.
        let late = |what: &str| memory.add("greedy", &[hits(what, 1, 1)], 2).is_ok();
        assert!(late("a"), "swept");
        assert_eq!((0..100).filter(|number| late(&format!("b{number}"))).count(), 5);
        assert_eq!(memory.len(), 6);
    }
}
