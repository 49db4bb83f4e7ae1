//! Who may call: SMI's access rules as Envoy's RBAC, one policy per rule.
//!
//! A rule that restricts HTTP never lets bytes in on a port whose payload is not declared: a caller chooses by ALPN
//! which of HTTP and bytes it claims to send, and could walk around the restriction.

use std::collections::HashMap;

use leno_model::{
    ObjectRef, ServiceAccountName, Snapshot, SpiffeId,
    policy::{AccessRule, HttpMatch, authorization::Ports},
};
use leno_proto::v3::{
    matcher,
    rbac::{self, permission::Rule},
    route,
};

use crate::message::{string_exact, string_regex};

/// The payload that a chain carries, as far as access is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    /// HTTP requests.
    Http,
    /// Bytes, on a port that is declared to carry bytes.
    Bytes,
    /// Bytes, on a port that may carry HTTP as well.
    UndeclaredBytes,
}

/// What the access rules for this service account let in, by the names of their objects.
pub(crate) fn policies(
    snapshot: &Snapshot,
    destination: &ServiceAccountName,
    payload: Payload,
) -> HashMap<String, rbac::Policy> {
    let mut policies = HashMap::new();
    for rule in &snapshot.access_rules {
        if rule.destination != *destination {
            continue;
        }
        let Some(permission) = permission(rule, payload) else {
            continue;
        };
        let principals: Vec<_> = rule.sources.iter().map(|source| principal(snapshot, source)).collect();
        if principals.is_empty() {
            continue;
        }
        let policy = rbac::Policy { permissions: vec![permission], principals, ..Default::default() };
        policies.insert(policy_name(&rule.origin, &policies), policy);
    }
    policies
}

/// The origin's name; numbered where one object gives several rules.
pub(crate) fn policy_name(origin: &ObjectRef, taken: &HashMap<String, rbac::Policy>) -> String {
    let name = origin.to_string();
    if !taken.contains_key(&name) {
        return name;
    }
    let mut number = 2_u32;
    while taken.contains_key(&format!("{name} #{number}")) {
        number += 1;
    }
    format!("{name} #{number}")
}

fn principal(snapshot: &Snapshot, source: &ServiceAccountName) -> rbac::Principal {
    let id = SpiffeId::new(snapshot.mesh.trust_domain.clone(), source.clone());
    rbac::Principal {
        identifier: Some(rbac::principal::Identifier::Authenticated(rbac::principal::Authenticated {
            principal_name: Some(string_exact(&id.to_string())),
        })),
    }
}

/// What the rule lets in; `None` when nothing of this payload.
fn permission(rule: &AccessRule, payload: Payload) -> Option<rbac::Permission> {
    match payload {
        Payload::Http => match (&rule.http, &rule.ports) {
            // A rule that names neither kind of route (only UDP) has no say here.
            (None, None) => None,
            (None, Some(ports)) => port_permission(ports),
            (Some(http), None) => http_permission(http),
            (Some(http), Some(ports)) => Some(all(vec![port_permission(ports)?, http_permission(http)?])),
        },
        Payload::Bytes => port_permission(rule.ports.as_ref()?),
        Payload::UndeclaredBytes if rule.http.is_some() => None,
        Payload::UndeclaredBytes => port_permission(rule.ports.as_ref()?),
    }
}

fn port_permission(ports: &Ports) -> Option<rbac::Permission> {
    match ports {
        Ports::All => Some(of(Rule::Any(true))),
        Ports::Only(ports) => one_of(ports.iter().map(|port| of(Rule::DestinationPort((*port).into()))).collect()),
    }
}

fn http_permission(matches: &[HttpMatch]) -> Option<rbac::Permission> {
    one_of(matches.iter().map(request).collect())
}

fn request(fits: &HttpMatch) -> rbac::Permission {
    let mut parts = Vec::new();
    if let Some(path) = &fits.path_regex {
        let path = matcher::path_matcher::Rule::Path(string_regex(path));
        parts.push(of(Rule::UrlPath(matcher::PathMatcher { rule: Some(path) })));
    }
    parts.extend(headers(fits).into_iter().map(|header| of(Rule::Header(header))));
    if parts.is_empty() {
        return of(Rule::Any(true));
    }
    all(parts)
}

/// The header matchers of a kind of request, its methods among them.
pub(crate) fn headers(fits: &HttpMatch) -> Vec<route::HeaderMatcher> {
    let methods = match fits.methods.as_slice() {
        [] => None,
        [method] => Some(string_exact(method)),
        // Methods are words of letters, which mean themselves in a regular expression.
        several => Some(string_regex(&several.join("|"))),
    };
    let header = |name: &str, fits| route::HeaderMatcher {
        name: name.to_owned(),
        header_match_specifier: Some(route::header_matcher::HeaderMatchSpecifier::StringMatch(fits)),
        ..Default::default()
    };
    let methods = methods.map(|fits| header(":method", fits));
    let others = fits.headers.iter().map(|(name, value)| header(name, string_regex(value)));
    methods.into_iter().chain(others).collect()
}

pub(crate) fn of(rule: Rule) -> rbac::Permission {
    rbac::Permission { rule: Some(rule) }
}

pub(crate) fn all(mut rules: Vec<rbac::Permission>) -> rbac::Permission {
    if rules.len() == 1 {
        return rules.remove(0);
    }
    of(Rule::AndRules(rbac::permission::Set { rules }))
}

pub(crate) fn one_of(mut rules: Vec<rbac::Permission>) -> Option<rbac::Permission> {
    if rules.len() <= 1 {
        return rules.pop();
    }
    Some(of(Rule::OrRules(rbac::permission::Set { rules })))
}
