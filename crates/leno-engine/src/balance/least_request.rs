//! Power of two choices, or of more: of different endpoints drawn at random, the least loaded for its weight. Envoy's
//! [`LEAST_REQUEST`], which falls back to weighted round robin for unequal weights; here weights divide the load.
//!
//! [`LEAST_REQUEST`]: https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/load_balancers#weighted-least-request

use rand::{Rng, RngExt as _};

use super::Target;

/// `targets` has at least two.
pub(super) fn choose<'a, T: Target>(targets: &'a [T], choices: u32, random: &mut impl Rng) -> Option<&'a T> {
    let first = random.random_range(0..targets.len());
    let mut best = targets.get(first)?;
    for _ in 1..choices.max(2) {
        // Drawn from the others: it is never compared with the first one itself.
        let step = random.random_range(1..targets.len());
        let other = targets.get((first + step) % targets.len())?;
        if is_less(other, best) {
            best = other;
        }
    }
    Some(best)
}

/// Compares load / weight, without division.
fn is_less<T: Target>(one: &T, other: &T) -> bool {
    let load = |target: &T| u64::from(target.active()) + 1;
    let weight = |target: &T| u64::from(target.weight().max(1));
    load(one) * weight(other) < load(other) * weight(one)
}
