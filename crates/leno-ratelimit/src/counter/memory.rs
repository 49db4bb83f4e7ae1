//! Counting in this process.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use super::{CounterError, Hits, Key};

/// How many counters there may be at the same time.
pub const LARGEST: usize = 1 << 20;

/// Counters in memory. What its window is over for is forgotten when room is needed.
#[derive(Debug, Default)]
pub struct Memory {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    of: HashMap<Key, u64>,
    /// How many there may be until those whose window is over are thrown out.
    sweep_at: usize,
}

/// How many counters are not worth a sweep.
const FEW: usize = 1 << 10;

impl Memory {
    pub(super) fn add(&self, hits: &[Hits], now: u64) -> Result<Vec<u64>, CounterError> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        hits.iter().map(|hits| counts.add(hits, now)).collect()
    }

    /// How many counters there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).of.len()
    }

    /// Whether nothing was counted yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Counts {
    fn add(&mut self, hits: &Hits, now: u64) -> Result<u64, CounterError> {
        if let Some(count) = self.of.get_mut(&hits.key) {
            *count = count.saturating_add(hits.count);
            return Ok(*count);
        }
        if self.of.len() >= self.sweep_at.max(FEW) {
            self.of.retain(|key, _| key.start.saturating_add(key.seconds) > now);
            self.sweep_at = (self.of.len() * 2).min(LARGEST);
        }
        if self.of.len() >= LARGEST {
            return Err(CounterError::Full);
        }
        self.of.insert(hits.key.clone(), hits.count);
        Ok(hits.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(what: &str, start: u64, count: u64) -> Hits {
        Hits { key: Key { what: what.into(), start, seconds: 1 }, count }
    }

    #[test]
    fn windows_and_keys_are_counted_apart() {
        let memory = Memory::default();
        assert_eq!(memory.add(&[hits("a", 1, 1), hits("b", 1, 5), hits("a", 1, 2)], 1).unwrap(), [1, 5, 3]);
        assert_eq!(memory.add(&[hits("a", 2, 1), hits("b", 1, 0)], 2).unwrap(), [1, 5]);
    }

    #[test]
    fn windows_that_are_over_are_forgotten() {
        let memory = Memory::default();
        for second in 0..10_000 {
            memory.add(&[hits("a", second, 1)], second).unwrap();
        }
        assert!(memory.len() <= FEW, "{}", memory.len());
    }
}
