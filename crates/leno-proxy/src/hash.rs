//! A quick hash for tables whose keys nobody outside chooses: addresses of our own memory, and names and addresses from
//! the configuration. The standard one withstands keys that are chosen to collide, and costs several times as much.

use std::hash::{BuildHasherDefault, Hasher};

/// A table with the quick hash.
pub(crate) type HashMap<K, V> = std::collections::HashMap<K, V, BuildHasherDefault<Quick>>;

/// Multiplies and rotates.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Quick(u64);

impl Hasher for Quick {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.write_u64(u64::from_ne_bytes(*word)));
        let rest = rest.iter().fold(bytes.len() as u64, |rest, byte| (rest << 8) | u64::from(*byte));
        self.write_u64(rest);
    }

    fn write_u8(&mut self, number: u8) {
        self.write_u64(number.into());
    }

    fn write_u16(&mut self, number: u16) {
        self.write_u64(number.into());
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        // The golden ratio: neighbours end far apart.
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn finish(&self) -> u64 {
        // Tables use both ends; the lower one is the weaker.
        self.0 ^ (self.0 >> 32)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, hash::BuildHasher as _};

    use super::*;

    #[test]
    fn similar_keys_end_apart() {
        let build = BuildHasherDefault::<Quick>::default();
        let names: Vec<_> = (0..10_000).map(|number| format!("outbound/shop/service-{number}:80")).collect();
        let hashes: HashSet<_> = names.iter().map(|name| build.hash_one(name.as_str())).collect();
        assert_eq!(hashes.len(), names.len());
        // As a table sees them: the lower bits choose the place.
        let places: HashSet<_> = (0..1024u64).map(|number| build.hash_one(number * 64) & 1023).collect();
        assert!(places.len() > 512, "{}", places.len());
    }
}
