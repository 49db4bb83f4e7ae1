//! One after the other; an endpoint of weight three gets three turns of a round.

use super::Target;
use crate::split;

/// An odd number without a common divisor with any usual sum of weights, so that the turns of a heavy endpoint are
/// spread over the round.
const STRIDE: u64 = 0x9E37_79B1;

pub(super) fn choose<T: Target>(targets: &[T], turn: u64) -> Option<&T> {
    split::choose(
        targets,
        |target| target.weight().max(1),
        |sum| {
            if targets.iter().all(|target| target.weight() == 1) { turn % sum } else { turn.wrapping_mul(STRIDE) % sum }
        },
    )
}
