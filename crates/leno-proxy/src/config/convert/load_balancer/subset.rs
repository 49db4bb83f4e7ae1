//! Subsets: `Subset`, but for the policy inside it, and `LbSubsetConfig`, which is the same.

use leno_engine::balance::{Fallback, Selector, SelectorFallback, SubsetRules};
use leno_proto::v3::lb_subset::{
    Subset,
    subset::{
        LbSubsetFallbackPolicy, LbSubsetMetadataFallbackPolicy, LbSubsetSelector,
        lb_subset_selector::LbSubsetSelectorFallbackPolicy,
    },
};

use super::super::{
    check::{Check, at, join},
    label,
};

/// `None`: there are no selectors, and so no subsets.
pub(super) fn convert(check: &mut Check, path: &str, mut proto: Subset) -> Option<SubsetRules> {
    let fallback = std::mem::take(&mut proto.fallback_policy);
    let fallback = match LbSubsetFallbackPolicy::try_from(fallback) {
        Ok(LbSubsetFallbackPolicy::NoFallback) => Fallback::Nobody,
        Ok(LbSubsetFallbackPolicy::AnyEndpoint) => Fallback::Any,
        Ok(LbSubsetFallbackPolicy::DefaultSubset) => Fallback::Default,
        Err(_) => {
            check.wrong(&join(path, "fallback_policy"), fallback.to_string(), "one of Envoy's");
            Fallback::Nobody
        }
    };
    let variants = std::mem::take(&mut proto.metadata_fallback_policy);
    let variants = match LbSubsetMetadataFallbackPolicy::try_from(variants) {
        Ok(LbSubsetMetadataFallbackPolicy::MetadataNoFallback) => false,
        Ok(LbSubsetMetadataFallbackPolicy::FallbackList) => true,
        Err(_) => {
            check.wrong(&join(path, "metadata_fallback_policy"), variants.to_string(), "one of Envoy's");
            false
        }
    };
    let selectors = std::mem::take(&mut proto.subset_selectors).into_iter().enumerate();
    let selectors: Vec<_> =
        selectors.map(|(index, one)| selector(check, &at(path, "subset_selectors", index), one)).collect();
    let rules = SubsetRules {
        selectors,
        fallback,
        default: proto.default_subset.take().map(label::labels).unwrap_or_default(),
        locality_weights: std::mem::take(&mut proto.locality_weight_aware),
        scale_locality_weights: std::mem::take(&mut proto.scale_locality_weight),
        panic_any: std::mem::take(&mut proto.panic_mode_any),
        list_as_any: std::mem::take(&mut proto.list_as_any),
        redundant_keys: std::mem::take(&mut proto.allow_redundant_keys),
        variants,
    };
    check.rest(path, &proto);
    (!rules.selectors.is_empty()).then_some(rules)
}

fn selector(check: &mut Check, path: &str, mut proto: LbSubsetSelector) -> Selector {
    let keys = sorted(std::mem::take(&mut proto.keys));
    if keys.is_empty() {
        check.wrong(&join(path, "keys"), "empty", "at least one key");
    }
    let fewer = sorted(std::mem::take(&mut proto.fallback_keys_subset));
    let policy = std::mem::take(&mut proto.fallback_policy);
    let by_keys = policy == i32::from(LbSubsetSelectorFallbackPolicy::KeysSubset);
    if by_keys && (fewer.is_empty() || fewer.len() >= keys.len() || !fewer.iter().all(|key| keys.contains(key))) {
        check.wrong(&join(path, "fallback_keys_subset"), format!("{fewer:?}"), "some of the keys, and not all of them");
    }
    if !by_keys && !fewer.is_empty() {
        check.wrong(&join(path, "fallback_keys_subset"), format!("{fewer:?}"), "none without KEYS_SUBSET");
    }
    let fallback = match LbSubsetSelectorFallbackPolicy::try_from(policy) {
        Ok(LbSubsetSelectorFallbackPolicy::NotDefined) => SelectorFallback::Cluster,
        Ok(LbSubsetSelectorFallbackPolicy::NoFallback) => SelectorFallback::Own(Fallback::Nobody),
        Ok(LbSubsetSelectorFallbackPolicy::AnyEndpoint) => SelectorFallback::Own(Fallback::Any),
        Ok(LbSubsetSelectorFallbackPolicy::DefaultSubset) => SelectorFallback::Own(Fallback::Default),
        Ok(LbSubsetSelectorFallbackPolicy::KeysSubset) => SelectorFallback::Keys(fewer),
        Err(_) => {
            check.wrong(&join(path, "fallback_policy"), policy.to_string(), "one of Envoy's");
            SelectorFallback::Cluster
        }
    };
    let single = std::mem::take(&mut proto.single_host_per_subset);
    if single && keys.len() != 1 {
        check.wrong(&join(path, "single_host_per_subset"), "true", "false: there is more than one key");
    }
    check.rest(path, &proto);
    Selector { keys, fallback, single }
}

/// Each once, in order.
fn sorted(keys: Vec<String>) -> Box<[Box<str>]> {
    keys.into_iter().map(Box::from).collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}
