//! TrafficSplits.

use std::collections::HashSet;

use crate::{problem::Problems, smi::TrafficSplit, syntax::name};

/// The largest weight, and the largest sum of the weights of a split: Envoy's clusters have 32 bits for it.
const MAX_WEIGHT: u64 = u32::MAX as u64;

pub(super) fn check(split: &TrafficSplit, problems: &mut Problems<'_>) {
    let spec = &split.spec;
    if let Err(rule) = name::dns_subdomain(&spec.service) {
        problems.add("spec.service", format!("a service's name or its name in cluster DNS: {rule}"), "");
    }
    if spec.backends.is_empty() {
        problems.add("spec.backends", "at least one backend", "");
    }
    let mut seen = HashSet::new();
    for (index, backend) in spec.backends.iter().enumerate() {
        let field = format!("spec.backends[{index}].service");
        if let Err(rule) = name::dns_subdomain(&backend.service) {
            problems.add(&field, format!("a service's name: {rule}"), "");
        } else if !seen.insert(&backend.service) {
            problems.add(&field, "a service that no other backend names", "add the two weights up");
        }
    }
    let sum: u64 = spec.backends.iter().map(|backend| u64::from(backend.weight)).sum();
    if sum == 0 && !spec.backends.is_empty() {
        let fix = "give at least one backend a weight above 0";
        problems.add_value("spec.backends", "without any weight", "a sum of weights above 0", fix);
    }
    if sum > MAX_WEIGHT {
        problems.add_value(
            "spec.backends",
            format!("of weight {sum} in all"),
            format!("at most {MAX_WEIGHT} in all"),
            "",
        );
    }
    for (index, rule) in spec.matches.iter().enumerate() {
        let at = format!("spec.matches[{index}]");
        if let Err(rule) = name::dns_subdomain(&rule.name) {
            problems.add(&format!("{at}.name"), rule, "");
        }
        if rule.api_group.as_deref().is_some_and(|group| !group.is_empty() && group != "specs.smi-spec.io") {
            problems.add(&format!("{at}.apiGroup"), "specs.smi-spec.io", "");
        }
    }
}
