//! Consistent hashing with bounded loads ([Mirrokni, Thorup, Zadimoghaddam]): no endpoint gets more than so many times the
//! mean; what is too much goes to others, in an order that the hash gives ([Chen, Coleman, Shrivastava]). Envoy's choice
//! exactly, so that both choose the same endpoint.
//!
//! [Mirrokni, Thorup, Zadimoghaddam]: https://arxiv.org/abs/1608.01350
//! [Chen, Coleman, Shrivastava]: https://arxiv.org/abs/1908.08762

/// How loaded an endpoint may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bound {
    /// In per cent of the mean (`hash_balance_factor`); at least 100.
    pub(super) factor: u32,
    /// Requests under way at all endpoints.
    pub(super) active: u32,
}

impl Bound {
    /// What an endpoint has of what it may have, for its part of all weights; above 1 is too much.
    fn overload(self, active: u32, weight: f64) -> f64 {
        let slots = (u64::from(self.active) + 1) * u64::from(self.factor);
        #[expect(clippy::cast_precision_loss, reason = "so many requests there are not")]
        let slots = (slots.div_ceil(100) as f64 * weight).ceil().max(1.0);
        f64::from(active) / slots
    }

    /// The number of the endpoint that takes a request which `first` should have, of those with these weights and as many
    /// requests as `active` says. `order` is room for their order.
    pub(super) fn choose(
        self,
        first: u32,
        hash: u64,
        weights: &[f64],
        active: impl Fn(u32) -> u32,
        order: &mut Vec<u32>,
    ) -> u32 {
        let overload = |number: u32| {
            let weight = usize::try_from(number).ok().and_then(|number| weights.get(number)).copied();
            self.overload(active(number), weight.unwrap_or_default())
        };
        let (mut best, mut least) = (first, overload(first));
        if least <= 1.0 {
            return first;
        }
        order.clear();
        order.extend((0u32..).take(weights.len()));
        #[expect(clippy::cast_possible_truncation, reason = "the generator takes as much of its seed")]
        let mut random = Mersenne::new(hash as u32);
        let mut left = order.as_mut_slice();
        while !left.is_empty() {
            let place = random.below(u32::try_from(left.len()).unwrap_or(u32::MAX));
            left.swap(0, usize::try_from(place).unwrap_or_default());
            let Some((number, rest)) = left.split_first_mut() else { break };
            let number = *number;
            left = rest;
            if number == first {
                continue;
            }
            let load = overload(number);
            if load <= 1.0 {
                return number;
            }
            if load < least {
                (best, least) = (number, load);
            }
        }
        best
    }
}

/// MT19937, the [Mersenne Twister] of 32 bits: C++'s `std::mt19937`. No chance here: the same hash must give the same order.
///
/// [Mersenne Twister]: http://www.math.sci.hiroshima-u.ac.jp/m-mat/MT/emt.html
struct Mersenne {
    state: [u32; Self::SIZE],
    next: usize,
}

impl Mersenne {
    const SIZE: usize = 624;

    fn new(seed: u32) -> Self {
        let mut last = seed;
        let mut state = [0; Self::SIZE];
        for (word, number) in state.iter_mut().zip(0u32..) {
            if number > 0 {
                last = 1_812_433_253u32.wrapping_mul(last ^ (last >> 30)).wrapping_add(number);
            }
            *word = last;
        }
        Self { state, next: Self::SIZE }
    }

    fn word(&self, number: usize) -> u32 {
        self.state.get(number % Self::SIZE).copied().unwrap_or_default()
    }

    /// Makes the next words.
    fn twist(&mut self) {
        for number in 0..Self::SIZE {
            let mixed = (self.word(number) & 0x8000_0000) | (self.word(number + 1) & 0x7fff_ffff);
            let odd = if mixed & 1 == 0 { 0 } else { 0x9908_b0df };
            let twisted = self.word(number + 397) ^ (mixed >> 1) ^ odd;
            if let Some(word) = self.state.get_mut(number) {
                *word = twisted;
            }
        }
        self.next = 0;
    }

    fn number(&mut self) -> u32 {
        if self.next >= Self::SIZE {
            self.twist();
        }
        let mut number = self.word(self.next);
        self.next += 1;
        number ^= number >> 11;
        number ^= (number << 7) & 0x9d2c_5680;
        number ^= (number << 15) & 0xefc6_0000;
        number ^ (number >> 18)
    }

    /// A number below `limit`, which is above 0.
    fn below(&mut self, limit: u32) -> u32 {
        let step = u64::from(u32::MAX) + 1;
        let step = step / u64::from(limit.max(1));
        // Ends soon: more than half of the numbers will do.
        for _ in 0..64 {
            let number = u64::from(self.number()) / step;
            if let Some(number) = u32::try_from(number).ok().filter(|number| *number < limit) {
                return number;
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_generator_is_the_one_of_the_standard() {
        // C++ requires this of std::mt19937 with its usual seed ([rand.predef]).
        let mut random = Mersenne::new(5489);
        let last = (0..10_000).map(|_| random.number()).last();
        assert_eq!(last, Some(4_123_659_995));
    }

    proptest! {
        #[test]
        fn nobody_gets_more_than_may_be(
            active in prop::collection::vec(0u32..20, 1..10), factor in 100u32..300, hash in any::<u64>(), first in any::<u32>(),
        ) {
            let count = u32::try_from(active.len()).unwrap();
            let weights = vec![f64::from(count).recip(); active.len()];
            let bound = Bound { factor, active: active.iter().sum() };
            let of = |number: u32| active[usize::try_from(number).unwrap()];
            let chosen = bound.choose(first % count, hash, &weights, of, &mut Vec::new());
            let mean = f64::from(bound.active + 1) / f64::from(count);
            prop_assert!(f64::from(of(chosen)) <= (mean * f64::from(factor) / 100.0).ceil() + 2.0);
        }
    }
}
