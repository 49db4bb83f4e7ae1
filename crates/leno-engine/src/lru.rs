//! A map that forgets what was not used for longest.

use std::{borrow::Borrow, collections::HashMap, hash::Hash};

/// A map of at most so many entries.
#[derive(Debug)]
pub struct Lru<K, V> {
    most: usize,
    places: HashMap<K, usize>,
    entries: Vec<Entry<K, V>>,
    /// The entry used last, and the one not used for longest; out of range when there is none.
    newest: usize,
    oldest: usize,
}

#[derive(Debug)]
struct Entry<K, V> {
    key: K,
    value: V,
    /// The one used next after it, and the one used before it.
    newer: usize,
    older: usize,
}

/// No entry.
const NONE: usize = usize::MAX;

impl<K: Clone + Eq + Hash, V> Lru<K, V> {
    /// A map of at most `most` entries; at least one.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most: most.max(1), places: HashMap::new(), entries: Vec::new(), newest: NONE, oldest: NONE }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The value of a key, which counts as used.
    pub fn get<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let place = *self.places.get(key)?;
        self.unlink(place);
        self.link(place);
        self.entries.get(place).map(|entry| &entry.value)
    }

    /// Keeps a value, in place of an earlier one of this key or, when there are too many, of the one not used for longest.
    pub fn put(&mut self, key: K, value: V) {
        let place = match self.places.get(&key) {
            Some(place) => {
                let place = *place;
                self.unlink(place);
                place
            }
            None if self.entries.len() < self.most => self.entries.len(),
            None => {
                let place = self.oldest;
                self.unlink(place);
                if let Some(entry) = self.entries.get(place) {
                    self.places.remove(&entry.key);
                }
                place
            }
        };
        self.places.insert(key.clone(), place);
        let entry = Entry { key, value, newer: NONE, older: NONE };
        match self.entries.get_mut(place) {
            Some(taken) => *taken = entry,
            None => self.entries.push(entry),
        }
        self.link(place);
    }

    /// Takes an entry out of the order.
    fn unlink(&mut self, place: usize) {
        let Some((newer, older)) = self.entries.get(place).map(|entry| (entry.newer, entry.older)) else { return };
        match self.entries.get_mut(newer) {
            Some(entry) => entry.older = older,
            None => self.newest = older,
        }
        match self.entries.get_mut(older) {
            Some(entry) => entry.newer = newer,
            None => self.oldest = newer,
        }
    }

    /// Puts an entry at the beginning of the order.
    fn link(&mut self, place: usize) {
        let before = self.newest;
        if let Some(entry) = self.entries.get_mut(before) {
            entry.newer = place;
        }
        if let Some(entry) = self.entries.get_mut(place) {
            (entry.newer, entry.older) = (NONE, before);
        }
        self.newest = place;
        if before == NONE {
            self.oldest = place;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_was_not_used_for_longest_is_forgotten() {
        let mut map = Lru::new(2);
        map.put("a", 1);
        map.put("b", 2);
        assert_eq!(map.get("a"), Some(&1));
        map.put("c", 3);
        assert_eq!(map.get("a"), Some(&1));
        assert_eq!(map.get("b"), None);
        assert_eq!(map.get("c"), Some(&3));
        map.put("c", 4);
        assert_eq!(map.get("c"), Some(&4));
        assert_eq!(map.len(), 2);
    }

    proptest! {
        /// The same as a list that is kept in order.
        #[test]
        fn it_is_a_list_in_the_order_of_use(
            most in 1usize..6, steps in prop::collection::vec((any::<bool>(), 0u8..8, 0u32..100), 0..200),
        ) {
            let mut map = Lru::new(most);
            let mut list: Vec<(u8, u32)> = Vec::new();
            for (puts, key, value) in steps {
                let at = list.iter().position(|(known, _)| *known == key);
                if puts {
                    at.map(|at| list.remove(at));
                    list.insert(0, (key, value));
                    list.truncate(most);
                    map.put(key, value);
                } else {
                    let found = at.map(|at| list.remove(at));
                    found.into_iter().for_each(|entry| list.insert(0, entry));
                    prop_assert_eq!(map.get(&key).copied(), found.map(|(_, value)| value));
                }
                prop_assert_eq!(map.len(), list.len());
            }
        }
    }
}
