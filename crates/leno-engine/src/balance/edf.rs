//! Turns by weight: who is due first comes next, and is due again after one divided by its weight (earliest deadline
//! first, as Envoy's schedulers). Weights may change from turn to turn.

use std::{cmp::Ordering, collections::BinaryHeap};

use rand::{Rng, RngExt as _};

/// The turns of several, by number.
#[derive(Clone, Debug, Default)]
pub(super) struct Edf {
    waiting: BinaryHeap<Waiting>,
}

/// One that waits for its turn.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    due: f64,
    number: u32,
}

impl Ord for Waiting {
    /// The first due is the greatest.
    fn cmp(&self, other: &Self) -> Ordering {
        other.due.total_cmp(&self.due).then(other.number.cmp(&self.number))
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Waiting {}

impl Edf {
    /// Turns of these weights, from somewhere in the round, so that not everybody begins with the same. Who has no weight
    /// has no turn.
    #[must_use]
    pub(super) fn new(weights: impl Iterator<Item = f64>, random: &mut impl Rng) -> Self {
        let weights = weights.zip(0u32..).filter(|(weight, _)| *weight > 0.0);
        let waiting =
            weights.map(|(weight, number)| Waiting { due: random.random::<f64>() / weight, number }).collect();
        Self { waiting }
    }

    /// Whose turn it is. `weight` tells what it weighs now, which must be above 0.
    pub(super) fn next(&mut self, weight: impl Fn(usize) -> f64) -> Option<usize> {
        // Goes to its new place when it is dropped.
        let mut first = self.waiting.peek_mut()?;
        let number = usize::try_from(first.number).ok()?;
        first.due += weight(number).max(f64::MIN_POSITIVE).recip();
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;

    proptest! {
        #[test]
        fn turns_are_as_many_as_the_weight_at_any_time(
            weights in prop::collection::vec(1u32..50, 1..8), seed in any::<u64>(), rounds in 1u32..6,
        ) {
            let mut edf = Edf::new(weights.iter().copied().map(f64::from), &mut StdRng::seed_from_u64(seed));
            let sum: u32 = weights.iter().sum();
            let mut turns = vec![0u32; weights.len()];
            for _ in 0..sum * rounds {
                turns[edf.next(|number| f64::from(weights[number])).unwrap()] += 1;
            }
            for (turns, weight) in turns.iter().zip(&weights) {
                prop_assert!(turns.abs_diff(weight * rounds) <= 2 + weight * u32::try_from(weights.len()).unwrap() / sum, "{turns} of {weight}");
            }
        }
    }

    #[test]
    fn who_has_no_weight_has_no_turn() {
        let random = &mut StdRng::seed_from_u64(1);
        let mut edf = Edf::new([0.0, 2.0].into_iter(), random);
        assert!((0..10).all(|_| edf.next(|_| 2.0) == Some(1)));
        assert_eq!(Edf::new([0.0].into_iter(), random).next(|_| 1.0), None);
    }
}
