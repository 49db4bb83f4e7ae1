//! Power of two choices: of two different endpoints drawn at random, the less loaded for its weight. Envoy's
//! [`LEAST_REQUEST`], which falls back to weighted round robin for unequal weights; here weights divide the load.
//!
//! [`LEAST_REQUEST`]: https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/load_balancers#weighted-least-request

use rand::{Rng, RngExt as _};

use super::Target;

pub(super) fn choose<'a, T: Target>(targets: &'a [T], random: &mut impl Rng) -> Option<&'a T> {
    let first = random.random_range(0..targets.len());
    // Drawn from the others: the two are never the same.
    let step = random.random_range(1..targets.len());
    let (one, two) = (targets.get(first)?, targets.get((first + step) % targets.len())?);
    let load = |target: &T| u64::from(target.active()) + 1;
    let weight = |target: &T| u64::from(target.weight().max(1));
    // load / weight, compared without division.
    Some(if load(one) * weight(two) <= load(two) * weight(one) { one } else { two })
}
