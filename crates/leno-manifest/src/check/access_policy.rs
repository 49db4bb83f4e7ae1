//! AccessPolicies.

use super::{external_authorizer, metadata, target, value};
use crate::{
    leno::{
        AccessPolicy,
        access_policy::{Action, IpBlock, Operation, Rule, Source, TokenIssuer, TokenMatch},
    },
    problem::Problems,
    syntax::{ip_range, name},
};

pub(super) fn check(policy: &AccessPolicy, problems: &mut Problems<'_>) {
    let spec = &policy.spec;
    if !spec.target_refs.is_empty() {
        target::targets(&spec.targets(), problems);
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
    match (&spec.external, action) {
        (None, Action::External) => problems.add("spec.external", "who is asked", ""),
        (Some(external), Action::External) => external_authorizer::check(external, problems),
        (Some(_), Action::Allow | Action::Deny | Action::Audit) => {
            problems.add_value("spec.external", "given", "nothing: it is for the action External", "");
        }
        (None, Action::Allow | Action::Deny | Action::Audit) => {}
    }
    if action != Action::Allow && spec.rules.is_empty() {
        problems.add("spec.rules", "at least one rule", "[{}] is about everything");
    }
    for (index, issuer) in spec.tokens.iter().enumerate() {
        let at = format!("spec.tokens[{index}]");
        if spec.tokens.iter().take(index).any(|earlier| earlier.issuer == issuer.issuer) {
            problems.add(&format!("{at}.issuer"), "an issuer that is not there already", "");
        }
        self::issuer(issuer, &at, problems);
    }
    for (index, rule) in spec.rules.iter().enumerate() {
        for (from, source) in rule.from.iter().enumerate() {
            known(&source.tokens, &spec.tokens, &format!("spec.rules[{index}].from[{from}].tokens"), problems);
        }
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
        let expected = "at least one of identities, namespaces, serviceAccounts, ipBlocks, tokens";
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

/// Somebody whose tokens are known.
fn issuer(issuer: &TokenIssuer, at: &str, problems: &mut Problems<'_>) {
    if issuer.issuer.is_empty() {
        problems.add(&format!("{at}.issuer"), "what its tokens have as iss", "");
    }
    let keys = &issuer.keys;
    problems.exactly_one(&[keys.inline.is_some(), keys.service.is_some()], &format!("{at}.keys"), "inline and service");
    if let Some(text) = &keys.inline {
        let has_keys = serde_json::from_str::<serde_json::Value>(text).is_ok_and(|set| set["keys"].is_array());
        if !has_keys {
            // The keys may be secrets: they are not told.
            let expected = r#"a set of keys as JSON: {"keys": [...]} (RFC 7517)"#;
            problems.add_value(&format!("{at}.keys.inline"), "something else", expected, "");
        }
    }
    if let Some(service) = &keys.service {
        let field = format!("{at}.keys.service");
        value::service(&service.service(), &field, problems);
        if !service.path.starts_with('/') || !service.path.bytes().all(|byte| matches!(byte, b'!'..=b'~')) {
            problems.add(&format!("{field}.path"), "a path from / on, without blanks", "");
        }
    }
    for (index, place) in issuer.places.iter().enumerate() {
        let at = format!("{at}.places[{index}]");
        let given = [place.header.is_some(), place.query_parameter.is_some(), place.cookie.is_some()];
        problems.exactly_one(&given, &at, "header, queryParameter and cookie");
        if let Some(name) = &place.header {
            value::header_name(name, &format!("{at}.header"), problems);
        }
    }
}

/// Tokens must be of issuers that the policy knows.
fn known(tokens: &[TokenMatch], issuers: &[TokenIssuer], at: &str, problems: &mut Problems<'_>) {
    for (index, token) in tokens.iter().enumerate() {
        let at = format!("{at}[{index}]");
        if !issuers.iter().any(|issuer| issuer.issuer == token.issuer) {
            problems.add(&format!("{at}.issuer"), "an issuer in spec.tokens", "");
        }
        for (index, claim) in token.claims.iter().enumerate() {
            for (empty, field) in [(claim.path.is_empty(), "path"), (claim.values.is_empty(), "values")] {
                if empty {
                    problems.add(&format!("{at}.claims[{index}].{field}"), "at least one", "");
                }
            }
            for (part, _) in claim.path.iter().enumerate().filter(|(_, part)| part.is_empty()) {
                problems.add(&format!("{at}.claims[{index}].path[{part}]"), "a name", "");
            }
        }
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
