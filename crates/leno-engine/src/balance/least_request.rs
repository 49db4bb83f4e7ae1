//! Power of two choices, or of more: of different endpoints drawn at random, the least loaded. Envoy's [`LEAST_REQUEST`]
//! for equal weights, but for that Envoy may draw an endpoint twice. Where weights differ, endpoints take turns ([`Edf`])
//! by their weights, which load divides.
//!
//! [`LEAST_REQUEST`]: https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/load_balancers#weighted-least-request
//! [`Edf`]: super::edf::Edf

use std::sync::Arc;

use rand::{Rng, RngExt as _};

use super::Target;

/// Which endpoints are compared, if all weigh the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compared {
    /// So many, drawn at random (`N_CHOICES`); at least 2. Default 2.
    Some(u32),
    /// All (`FULL_SCAN`).
    All,
}

/// The best of some of `targets`, of which there are at least two: the one that costs least.
pub(super) fn of_some<'a, T, C: PartialOrd>(
    targets: &'a [Arc<T>],
    choices: u32,
    random: &mut impl Rng,
    cost: impl Fn(&T) -> C,
) -> Option<&'a Arc<T>> {
    let first = random.random_range(0..targets.len());
    let mut best = targets.get(first)?;
    for _ in 1..choices.max(2) {
        // Drawn from the others: it is never compared with the first one itself.
        let step = random.random_range(1..targets.len());
        let other = targets.get((first + step) % targets.len())?;
        if cost(other) < cost(best) {
            best = other;
        }
    }
    Some(best)
}

/// The least loaded of all; one of them by chance where several are.
pub(super) fn of_all<'a, T: Target>(targets: &'a [Arc<T>], random: &mut impl Rng) -> Option<&'a Arc<T>> {
    let least = targets.iter().map(|target| target.active()).min()?;
    let all = || targets.iter().filter(|target| target.active() == least);
    // Loads may change while they are looked at.
    let draw = random.random_range(0..all().count().max(1));
    all().nth(draw).or_else(|| targets.first())
}

/// What an endpoint weighs with its load.
pub(super) fn weight<T: Target>(target: &T, bias: f64) -> f64 {
    let load = f64::from(target.active()) + 1.0;
    let weight = f64::from(target.weight().max(1));
    if bias == 1.0 { weight / load } else { weight / load.powf(bias) }
}
