//! Gateway API: what its definitions (CRDs) ask for beyond shapes.

mod filter;
mod grpc;
mod http;
mod policy;
mod reference;
mod rule;

use std::collections::HashSet;

use self::reference::{backend, parents};
use crate::{
    gateway::{
        grpc_route::GrpcRouteSpec,
        http_route::HttpRouteSpec,
        tcp_route::{StreamRouteRule, TcpRouteSpec},
        tls_route::TlsRouteSpec,
    },
    problem::Problems,
    syntax::name,
};

pub(super) use policy::{check_grant, check_tls_policy, subject_alt_names};

/// The most matches that a route may have in all its rules.
const MAX_MATCHES: usize = 128;

pub(super) fn check_http(spec: &HttpRouteSpec, problems: &mut Problems<'_>) {
    parents(&spec.parent_refs, problems);
    hostnames(&spec.hostnames, problems);
    names(spec.rules.iter().map(|rule| rule.name.as_ref()), problems);
    at_most_matches(spec.rules.iter().map(|rule| rule.matches.len()).sum(), problems);
    for (index, rule) in spec.rules.iter().enumerate() {
        http::check(rule, &format!("spec.rules[{index}]"), problems);
    }
}

pub(super) fn check_grpc(spec: &GrpcRouteSpec, problems: &mut Problems<'_>) {
    parents(&spec.parent_refs, problems);
    hostnames(&spec.hostnames, problems);
    names(spec.rules.iter().map(|rule| rule.name.as_ref()), problems);
    at_most_matches(spec.rules.iter().map(|rule| rule.matches.len()).sum(), problems);
    for (index, rule) in spec.rules.iter().enumerate() {
        grpc::check(rule, &format!("spec.rules[{index}]"), problems);
    }
}

pub(super) fn check_tcp(spec: &TcpRouteSpec, problems: &mut Problems<'_>) {
    parents(&spec.parent_refs, problems);
    stream_rules(&spec.rules, problems);
}

pub(super) fn check_tls(spec: &TlsRouteSpec, problems: &mut Problems<'_>) {
    parents(&spec.parent_refs, problems);
    if spec.hostnames.is_empty() {
        problems.add("spec.hostnames", "at least one name that connections ask for", "");
    }
    hostnames(&spec.hostnames, problems);
    stream_rules(&spec.rules, problems);
    if spec.rules.len() > 1 {
        problems.add("spec.rules[1]", "one rule", "write a TLSRoute of its own for the others");
    }
}

fn stream_rules(rules: &[StreamRouteRule], problems: &mut Problems<'_>) {
    if rules.is_empty() {
        problems.add("spec.rules", "at least one rule", "");
    }
    names(rules.iter().map(|rule| rule.name.as_ref()), problems);
    for (index, rule) in rules.iter().enumerate() {
        let at = format!("spec.rules[{index}].backendRefs");
        if rule.backend_refs.is_empty() {
            problems.add(&at, "at least one backend", "");
        }
        for (index, share) in rule.backend_refs.iter().enumerate() {
            backend(&share.backend, &format!("{at}[{index}]"), problems);
        }
    }
}

fn hostnames(names: &[String], problems: &mut Problems<'_>) {
    for (index, text) in names.iter().enumerate() {
        let host = text.strip_prefix("*.").unwrap_or(text);
        if name::dns_subdomain(host).is_err() || text.parse::<std::net::IpAddr>().is_ok() {
            let expected = "a host such as example.org, or *. and the end of hosts";
            problems.add(&format!("spec.hostnames[{index}]"), expected, "");
        }
    }
}

/// Names of rules: sound, and each once.
fn names<'a>(names: impl Iterator<Item = Option<&'a String>>, problems: &mut Problems<'_>) {
    let mut seen = HashSet::new();
    for (index, text) in names.enumerate().filter_map(|(index, name)| Some((index, name?))) {
        let field = format!("spec.rules[{index}].name");
        if let Err(rule) = name::dns_subdomain(text) {
            problems.add(&field, rule, "");
        } else if !seen.insert(text) {
            problems.add(&field, "a name that no other rule of the route has", "");
        }
    }
}

fn at_most_matches(count: usize, problems: &mut Problems<'_>) {
    if count > MAX_MATCHES {
        let expected = format!("at most {MAX_MATCHES} matches in all rules");
        problems.add_value("spec.rules", format!("given with {count} matches"), expected, "write several routes");
    }
}
