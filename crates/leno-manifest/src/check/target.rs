//! What policies are attached to, and whom they speak of.

use std::collections::HashSet;

use crate::{
    leno::target::{Caller, Carries, TargetRef},
    problem::Problems,
    syntax::name,
};

pub(super) fn targets(targets: &[TargetRef], problems: &mut Problems<'_>) {
    if targets.is_empty() {
        problems.add("spec.targetRefs", "at least one object that it speaks of", "");
    }
    let mut seen = HashSet::new();
    for (index, target) in targets.iter().enumerate() {
        let at = format!("spec.targetRefs[{index}]");
        let group = target.kind.kind().group();
        if target.group != group && !(group.is_empty() && target.group == "core") {
            let expected = if group.is_empty() { "\"\", the group of a Service" } else { group };
            problems.add(&format!("{at}.group"), expected, "");
        }
        if let Err(rule) = name::dns_subdomain(&target.name) {
            problems.add(&format!("{at}.name"), rule, "");
        } else if !seen.insert((target.kind.kind(), &target.name, &target.section_name)) {
            problems.add(&format!("{at}.name"), "an object that no other target names", "remove one of the two");
        }
        if target.section_name.as_ref().is_some_and(String::is_empty) {
            let (expected, fix) = match target.kind.carries() {
                Carries::Anything => ("the name or the number of a port", "leave it out for all ports"),
                Carries::RoutedRequests | Carries::RoutedBytes => ("the name of a rule", "leave it out for all rules"),
            };
            problems.add(&format!("{at}.sectionName"), expected, fix);
        }
    }
}

pub(super) fn callers(callers: &[Caller], at: &str, problems: &mut Problems<'_>) {
    for (index, caller) in callers.iter().enumerate() {
        if let Err(rule) = name::dns_subdomain(&caller.service_account) {
            problems.add(&format!("{at}[{index}].serviceAccount"), rule, "");
        }
        if !caller.namespace.is_empty()
            && let Err(rule) = name::dns_label(&caller.namespace)
        {
            problems.add(&format!("{at}[{index}].namespace"), rule, "");
        }
    }
}
