//! Maglev's table ([`MAGLEV`]): every endpoint takes places of a table in an order of its own, in turns. Laid out as Envoy
//! does it, so that both choose the same endpoint.
//!
//! [`MAGLEV`]: https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/load_balancers#maglev

use super::hash::hash;

/// Places that a table has unless said otherwise.
pub const TABLE_SIZE: u32 = 65_537;
/// The most places.
pub const MAX_TABLE_SIZE: u32 = 5_000_011;

/// A table: at each place the number of an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Maglev {
    places: Box<[u32]>,
}

/// An endpoint that takes places.
struct Taker {
    /// Where it stands among the endpoints.
    number: u32,
    offset: u64,
    skip: u64,
    weight: f64,
    next: u64,
    /// The round in which it takes the next one, times the largest weight.
    due: f64,
}

/// Stands for nobody.
const FREE: u32 = u32::MAX;

impl Taker {
    /// Takes the next free place in its order.
    fn take(&mut self, places: &mut [u32]) -> bool {
        let size = places.len() as u64;
        // The size is a prime, so that it comes by every place.
        for _ in 0..size {
            let place = usize::try_from((self.offset + self.skip * self.next) % size).unwrap_or_default();
            self.next += 1;
            if let Some(place) = places.get_mut(place).filter(|place| **place == FREE) {
                *place = self.number;
                return true;
            }
        }
        false
    }
}

impl Maglev {
    /// The table of endpoints with these keys and weights. `size` must be a prime.
    #[must_use]
    pub fn new(targets: &[(String, f64)], size: u32) -> Self {
        let largest = targets.iter().map(|(_, weight)| *weight).fold(0.0, f64::max);
        if largest <= 0.0 || size < 2 {
            return Self::default();
        }
        let size = u64::from(size);
        let taker = |((key, weight), number): (&(String, f64), u32)| Taker {
            number,
            offset: hash(key.as_bytes(), 0) % size,
            skip: hash(key.as_bytes(), 1) % (size - 1) + 1,
            weight: *weight,
            next: 0,
            due: 0.0,
        };
        // By their keys, so that it does not matter in which order they are listed.
        let mut sorted: Vec<_> = targets.iter().zip(0u32..).collect();
        sorted.sort_by_key(|((key, _), _)| key);
        let mut takers: Vec<_> = sorted.into_iter().map(taker).collect();
        let mut places = vec![FREE; usize::try_from(size).unwrap_or_default()];
        let (mut left, mut round) = (size, 0.0);
        while left > 0 {
            round += 1.0;
            for taker in &mut takers {
                // One of a third of the largest weight takes a place in every third round.
                if left == 0 || taker.weight <= 0.0 || round * taker.weight < taker.due {
                    continue;
                }
                taker.due += largest;
                if taker.take(&mut places) {
                    left -= 1;
                }
            }
        }
        Self { places: places.into() }
    }

    /// The number of the endpoint for a hash. `attempt`: how often another was asked for, at a far place each time.
    #[must_use]
    pub fn target(&self, hash: u64, attempt: u32) -> Option<u32> {
        let hash = match attempt {
            0 => hash,
            attempt => hash ^ (u64::MAX - u64::from(attempt) + 1),
        };
        let place = hash.checked_rem(self.places.len() as u64)?;
        self.places.get(usize::try_from(place).ok()?).copied()
    }

    /// The numbers of the endpoints for a hash, the best first; an endpoint comes again and again.
    pub fn targets(&self, hash: u64) -> impl Iterator<Item = u32> {
        let first = hash.checked_rem(self.places.len() as u64).and_then(|first| usize::try_from(first).ok());
        let (before, after) = self.places.split_at_checked(first.unwrap_or_default()).unwrap_or_default();
        after.iter().chain(before).copied()
    }
}

/// Whether a number is a prime.
#[must_use]
pub fn is_prime(number: u32) -> bool {
    let divisors = (2..).take_while(|divisor| u64::from(*divisor) * u64::from(*divisor) <= u64::from(number));
    number > 1 && divisors.into_iter().all(|divisor: u32| !number.is_multiple_of(divisor))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(weights: &[u32]) -> Vec<(String, f64)> {
        let weights = weights.iter().map(|weight| f64::from(*weight));
        weights.enumerate().map(|(number, weight)| (format!("10.0.0.{number}:80"), weight)).collect()
    }

    #[test]
    fn weights_are_shares() {
        let table = Maglev::new(&targets(&[1, 2, 1]), TABLE_SIZE);
        let places = |number| table.places.iter().filter(|place| **place == number).count();
        assert!(places(0).abs_diff(16_384) < 100 && places(1).abs_diff(32_768) < 100, "{} {}", places(0), places(1));
    }

    #[test]
    fn who_goes_moves_few_others() {
        let all = targets(&[1; 10]);
        let (before, after) = (Maglev::new(&all, TABLE_SIZE), Maglev::new(&all[..9], TABLE_SIZE));
        let moved = before.places.iter().zip(&after.places).filter(|(before, after)| before != after).count();
        assert!(moved < 65_537 * 15 / 100, "{moved}");
    }

    #[test]
    fn the_order_does_not_matter() {
        let one = targets(&[1, 2, 3]);
        let other: Vec<_> = one.iter().rev().cloned().collect();
        let (table, turned) = (Maglev::new(&one, 101), Maglev::new(&other, 101));
        assert!(table.places.iter().zip(&turned.places).all(|(one, other)| *one == 2 - *other));
    }

    #[test]
    fn there_may_be_nobody() {
        assert_eq!(Maglev::new(&[], TABLE_SIZE).target(7, 0), None);
        let table = Maglev::new(&targets(&[1, 1]), 5);
        assert_eq!(table.target(7, 0), table.targets(7).next());
        assert!(table.target(7, u32::MAX).is_some());
        assert_eq!(Maglev::new(&targets(&[0]), TABLE_SIZE).targets(7).next(), None);
        assert_eq!(Maglev::new(&targets(&[0, 1]), 5).targets(7).collect::<Vec<_>>(), [1; 5]);
    }

    #[test]
    fn primes_are_told() {
        let primes: Vec<_> = (0..30).filter(|number| is_prime(*number)).collect();
        assert_eq!(primes, [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]);
        assert!(is_prime(TABLE_SIZE) && is_prime(MAX_TABLE_SIZE) && !is_prime(65_536));
    }
}
