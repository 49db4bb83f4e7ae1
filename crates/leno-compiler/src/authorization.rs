//! Who may call: access rules as Envoy's RBAC.
//!
//! The action is ALLOW with one policy per rule, so a workload with no rule admits nobody. With default access
//! `Allow` there is no RBAC at all.
//!
//! A rule that restricts HTTP never lets bytes in on a port whose payload is not declared: a caller chooses by ALPN
//! which of HTTP and bytes it claims to send, and could walk around the restriction.

use std::collections::HashMap;

use leno_model::{
    ServiceAccountName, Snapshot, SpiffeId,
    mesh::DefaultAccess,
    policy::{AccessRule, HttpMatch, authorization::Ports},
};
use leno_proto::{
    google::protobuf::Any,
    v3::{
        http_rbac, matcher, network_rbac,
        rbac::{self, permission::Rule},
        route,
    },
};

use crate::{
    message::{string_exact, string_regex},
    stable,
};

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

/// The HTTP filter that lets in what the access rules for this service account allow; `None` when everything is.
pub(crate) fn http(snapshot: &Snapshot, destination: &ServiceAccountName) -> Option<Any> {
    let rules = rules(snapshot, destination, Payload::Http)?;
    Some(stable::pack(&http_rbac::Rbac { rules: Some(rules), ..Default::default() }, stable::RBAC))
}

/// The network filter that lets in what the access rules for this service account allow; `None` when everything is.
pub(crate) fn network(
    snapshot: &Snapshot,
    destination: &ServiceAccountName,
    payload: Payload,
    stat_prefix: &str,
) -> Option<Any> {
    let rules = rules(snapshot, destination, payload)?;
    let filter = network_rbac::Rbac { rules: Some(rules), stat_prefix: stat_prefix.to_owned(), ..Default::default() };
    Some(stable::pack(&filter, stable::RBAC))
}

fn rules(snapshot: &Snapshot, destination: &ServiceAccountName, payload: Payload) -> Option<rbac::Rbac> {
    match snapshot.mesh.default_access {
        DefaultAccess::Allow => return None,
        DefaultAccess::Deny => {}
    }
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
        policies.insert(policy_name(rule, &policies), policy);
    }
    Some(rbac::Rbac { action: rbac::rbac::Action::Allow.into(), policies, ..Default::default() })
}

/// The origin's name; numbered where one object gives several rules.
fn policy_name(rule: &AccessRule, taken: &HashMap<String, rbac::Policy>) -> String {
    let name = rule.origin.to_string();
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

fn of(rule: Rule) -> rbac::Permission {
    rbac::Permission { rule: Some(rule) }
}

fn all(mut rules: Vec<rbac::Permission>) -> rbac::Permission {
    if rules.len() == 1 {
        return rules.remove(0);
    }
    of(Rule::AndRules(rbac::permission::Set { rules }))
}

fn one_of(mut rules: Vec<rbac::Permission>) -> Option<rbac::Permission> {
    if rules.len() <= 1 {
        return rules.pop();
    }
    Some(of(Rule::OrRules(rbac::permission::Set { rules })))
}
