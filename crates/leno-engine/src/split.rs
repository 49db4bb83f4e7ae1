//! Sharing out by weight.

/// The item that a number in `0..sum of weights` falls on; `None` when every weight is 0. `draw` is asked once, with the
/// sum, for a number below it.
pub fn choose<T>(items: &[T], weight: impl Fn(&T) -> u32, draw: impl FnOnce(u64) -> u64) -> Option<&T> {
    let sum: u64 = items.iter().map(|item| u64::from(weight(item))).sum();
    if sum == 0 {
        return None;
    }
    let mut left = draw(sum);
    items.iter().find(|item| {
        let share = u64::from(weight(item));
        let hit = left < share;
        left = left.saturating_sub(share);
        hit
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_item_is_hit_by_as_many_numbers_as_its_weight(weights in prop::collection::vec(0u32..20, 0..8)) {
            let sum: u64 = weights.iter().copied().map(u64::from).sum();
            let items: Vec<_> = weights.iter().copied().enumerate().collect();
            let mut hits = vec![0u32; weights.len()];
            for number in 0..sum {
                hits[choose(&items, |item| item.1, |_| number).unwrap().0] += 1;
            }
            prop_assert_eq!(&hits, &weights);
            prop_assert_eq!(choose(&items, |item| item.1, |sum| sum - 1).is_some(), sum > 0);
        }
    }
}
