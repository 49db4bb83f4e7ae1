//! AccessPolicies.

use super::{metadata, target, value};
use crate::{
    leno::{
        AccessPolicy,
        access_policy::{Action, IpBlock, Operation, Rule, Source},
    },
    problem::Problems,
    syntax::{ip_range, name},
};

pub(super) fn check(policy: &AccessPolicy, problems: &mut Problems<'_>) {
    let spec = &policy.spec;
    if !spec.target_refs.is_empty() {
        target::targets(&spec.target_refs, problems);
    }
    if let Some(selector) = &spec.selector {
        if !spec.target_refs.is_empty() {
            let fix = "write two policies for both";
            problems.add_value("spec.selector", "given together with targetRefs", "one of the two", fix);
        }
        metadata::check_requirements(selector, "spec.selector", problems);
    }
    let action = spec.action.unwrap_or_default();
    if action == Action::Audit && spec.dry_run {
        problems.add_value("spec.dryRun", "true for Audit", "false: it refuses nothing", "");
    }
    if action != Action::Allow && spec.rules.is_empty() {
        problems.add("spec.rules", "at least one rule", "[{}] is about everything");
    }
    for (index, rule) in spec.rules.iter().enumerate() {
        self::rule(rule, &format!("spec.rules[{index}]"), problems);
    }
}

fn rule(rule: &Rule, at: &str, problems: &mut Problems<'_>) {
    for (index, source) in rule.from.iter().enumerate() {
        self::source(source, &format!("{at}.from[{index}]"), problems);
    }
    for (index, operation) in rule.to.iter().enumerate() {
        self::operation(operation, &format!("{at}.to[{index}]"), problems);
    }
}

fn source(source: &Source, at: &str, problems: &mut Problems<'_>) {
    if *source == Source::default() {
        let expected = "at least one of identities, namespaces, serviceAccounts, ipBlocks";
        problems.add_value(at, "empty", expected, "leave out from for anybody");
    }
    for (index, identity) in source.identities.iter().enumerate() {
        let inner = identity.strip_suffix('*').unwrap_or(identity);
        let begins = inner.starts_with("spiffe://") || (identity == "*");
        if !begins || inner.contains('*') {
            let expected = "spiffe://DOMAIN/ns/NAMESPACE/sa/ACCOUNT, the beginning of one with a * at the end, or *";
            problems.add(&format!("{at}.identities[{index}]"), expected, "");
        }
    }
    for (index, namespace) in source.namespaces.iter().enumerate() {
        if let Err(rule) = name::dns_label(namespace) {
            problems.add(&format!("{at}.namespaces[{index}]"), rule, "");
        }
    }
    target::callers(&source.service_accounts, &format!("{at}.serviceAccounts"), problems);
    for (index, block) in source.ip_blocks.iter().enumerate() {
        self::block(block, &format!("{at}.ipBlocks[{index}]"), problems);
    }
}

/// Ranges of addresses.
fn block(block: &IpBlock, at: &str, problems: &mut Problems<'_>) {
    value::range(&block.cidr, &format!("{at}.cidr"), problems);
    let whole = ip_range::parse(&block.cidr);
    for (index, except) in block.except.iter().enumerate() {
        let field = format!("{at}.except[{index}]");
        value::range(except, &field, problems);
        if let (Some(whole), Some(part)) = (whole, ip_range::parse(except))
            && !ip_range::within(part, whole)
        {
            problems.add(&field, format!("a range within {}", block.cidr), "");
        }
    }
}

fn operation(operation: &Operation, at: &str, problems: &mut Problems<'_>) {
    if *operation == Operation::default() {
        problems.add_value(at, "empty", "at least one of ports, path, methods, headers", "leave out to for anything");
    }
    value::request(&operation.request(), at, problems);
}
