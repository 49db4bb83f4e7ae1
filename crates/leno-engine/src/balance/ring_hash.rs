//! The ring of hashes ([`RING_HASH`], ketama): an endpoint stands at many places of a ring, and a request goes to the
//! next one after its hash. Laid out as Envoy does it, so that both choose the same endpoint.
//!
//! [`RING_HASH`]: https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/load_balancers#ring-hash

use super::hash::{hash, murmur};

/// How a ring is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RingSettings {
    /// The fewest places that all endpoints have together.
    pub min_size: u32,
    /// The most; it is more important.
    pub max_size: u32,
    /// How places are hashed.
    pub function: HashFunction,
}

/// How the places of a ring are hashed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HashFunction {
    /// xxHash.
    #[default]
    Xx,
    /// `MurmurHash2`, as libstdc++ has it.
    Murmur2,
}

impl Default for RingSettings {
    /// Envoy's.
    fn default() -> Self {
        Self { min_size: 1024, max_size: Self::MAX, function: HashFunction::Xx }
    }
}

impl RingSettings {
    /// The largest ring that there may be.
    pub const MAX: u32 = 8 * 1024 * 1024;
}

/// A ring: hashes in order, each with the number of its endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ring {
    places: Box<[(u64, u32)]>,
}

impl Ring {
    /// The ring of endpoints with these keys and weights, which make 1 together.
    #[must_use]
    pub fn new(targets: &[(String, f64)], settings: RingSettings) -> Self {
        let Some(least) = targets.iter().map(|(_, weight)| *weight).filter(|weight| *weight > 0.0).reduce(f64::min)
        else {
            return Self::default();
        };
        // So large that the lightest endpoint has whole places.
        let scale = ((least * f64::from(settings.min_size)).ceil() / least).min(f64::from(settings.max_size));
        let mut places = Vec::new();
        let (mut taken, mut wanted) = (0.0, 0.0);
        for ((target, weight), number) in targets.iter().zip(0u32..) {
            wanted += scale * weight;
            let mut place = 0u32;
            while taken < wanted {
                let key = format!("{target}_{place}");
                let hash = match settings.function {
                    HashFunction::Xx => hash(key.as_bytes(), 0),
                    HashFunction::Murmur2 => murmur(key.as_bytes()),
                };
                places.push((hash, number));
                place += 1;
                taken += 1.0;
            }
        }
        places.sort_by_key(|(hash, _)| *hash);
        Self { places: places.into() }
    }

    /// The number of the endpoint for a hash. `attempt`: how often another was asked for.
    #[must_use]
    pub fn target(&self, hash: u64, attempt: u32) -> Option<u32> {
        let size = self.places.len();
        let first = self.places.partition_point(|(place, _)| *place < hash);
        let place = first.checked_rem(size)?.wrapping_add(usize::try_from(attempt).ok()?) % size;
        self.places.get(place).map(|(_, number)| *number)
    }

    /// The numbers of the endpoints for a hash, the best first; an endpoint comes again and again.
    pub fn targets(&self, hash: u64) -> impl Iterator<Item = u32> {
        let first = self.places.partition_point(|(place, _)| *place < hash);
        let (before, after) = self.places.split_at_checked(first).unwrap_or_default();
        after.iter().chain(before).map(|(_, number)| *number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(weights: &[u32]) -> Vec<(String, f64)> {
        let sum = f64::from(weights.iter().sum::<u32>());
        let weights = weights.iter().map(|weight| f64::from(*weight) / sum);
        weights.enumerate().map(|(number, weight)| (format!("10.0.0.{number}:80"), weight)).collect()
    }

    fn chosen(ring: &Ring) -> Vec<u32> {
        (0..10_000u64).map(|key| ring.target(hash(&key.to_le_bytes(), 0), 0).unwrap()).collect()
    }

    #[test]
    fn weights_are_shares() {
        let chosen = chosen(&Ring::new(&targets(&[1, 1, 2]), RingSettings::default()));
        let hits = |number| chosen.iter().filter(|chosen| **chosen == number).count();
        assert!((2000..3000).contains(&hits(0)) && (4300..5700).contains(&hits(2)), "{} {}", hits(0), hits(2));
    }

    #[test]
    fn who_goes_moves_few_others() {
        let all = targets(&[1; 10]);
        let before = chosen(&Ring::new(&all, RingSettings::default()));
        let after = chosen(&Ring::new(&targets(&[1; 9]), RingSettings::default()));
        let moved = before.iter().zip(&after).filter(|(before, after)| before != after).count();
        assert!(moved < 2000, "{moved}");
    }

    #[test]
    fn there_may_be_nobody_or_hardly_any_room() {
        assert_eq!(Ring::new(&[], RingSettings::default()).target(7, 0), None);
        let tiny = RingSettings { min_size: 1, max_size: 1, function: HashFunction::Murmur2 };
        let ring = Ring::new(&targets(&[1, 1000]), tiny);
        assert!(ring.target(7, 0).is_some() && ring.target(7, u32::MAX).is_some());
        assert_eq!(ring.targets(7).next(), ring.target(7, 0));
    }
}
