//! At random, by weight.

use rand::{Rng, RngExt as _};

use super::Target;
use crate::split;

pub(super) fn choose<'a, T: Target>(targets: &'a [T], random: &mut impl Rng) -> Option<&'a T> {
    split::choose(targets, |target| target.weight().max(1), |sum| random.random_range(0..sum))
}
