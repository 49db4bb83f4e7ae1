//! TrafficTargets.

use crate::{
    problem::Problems,
    smi::{
        TrafficTarget,
        traffic_target::{IdentityBindingSubject, RouteKind},
    },
    syntax::name,
};

pub(super) fn check(target: &TrafficTarget, problems: &mut Problems<'_>) {
    let spec = &target.spec;
    check_subject(&spec.destination, "spec.destination", problems);
    if spec.sources.is_empty() {
        problems.add("spec.sources", "at least one service account that may call", "");
    }
    for (index, source) in spec.sources.iter().enumerate() {
        check_subject(source, &format!("spec.sources[{index}]"), problems);
        if source.port.is_some() {
            problems.add(&format!("spec.sources[{index}].port"), "no port on a source", "");
        }
    }
    if spec.destination.port == Some(0) {
        problems.add("spec.destination.port", "an integer from 1 to 65535", "");
    }
    if spec.rules.is_empty() {
        problems.add("spec.rules", "at least one HTTPRouteGroup or TCPRoute that says what may be called", "");
    }
    for (index, rule) in spec.rules.iter().enumerate() {
        let at = format!("spec.rules[{index}]");
        if let Err(rule) = name::dns_subdomain(&rule.name) {
            problems.add(&format!("{at}.name"), rule, "");
        }
        if rule.kind != RouteKind::HttpRouteGroup && !rule.matches.is_empty() {
            let expected = format!("no matches on a {}", rule.kind.as_str());
            problems.add(&format!("{at}.matches"), expected, "only entries of an HTTPRouteGroup have names");
        }
    }
}

fn check_subject(subject: &IdentityBindingSubject, at: &str, problems: &mut Problems<'_>) {
    if let Err(rule) = name::dns_subdomain(&subject.name) {
        problems.add(&format!("{at}.name"), rule, "");
    }
    if !subject.namespace.is_empty()
        && let Err(rule) = name::dns_label(&subject.namespace)
    {
        problems.add(&format!("{at}.namespace"), rule, "");
    }
}
