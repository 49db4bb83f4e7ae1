//! What egress policies let through to destinations that the mesh does not know.
//!
//! | port of | chain |
//! |---|---|
//! | HTTP | by port; the request's host decides, and refuses where the rest is refused |
//! | TLS | by port and the names that the ClientHello asks for; passed on as it is |
//! | TCP | by port; passed on as it is |
//!
//! All of them by address besides, where a policy names some. Of two policies that say the same one with TLS decides, else the first by
//! name.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
};

use leno_model::{
    Snapshot,
    mesh::OutboundPolicy,
    policy::{
        EgressPolicy,
        egress::{EgressPort, EgressProtocol, HostMatch},
    },
    resource_name,
};
use leno_proto::v3::{
    core::CidrRange,
    http_rbac,
    listener::{Filter, FilterChain, FilterChainMatch},
    matcher::{StringMatcher, string_matcher::MatchPattern},
    rbac::{self, permission::Rule},
    route,
};

use super::filter;
use crate::{
    Scope,
    authorization::{all, of, one_of},
    matcher,
    message::{http_filter, origins, uint32},
    route as routes, stable, traffic,
};

/// A port and a range of addresses, and who speaks of them.
type Places<'a> = BTreeMap<(EgressPort, Option<(IpAddr, u8)>), Vec<&'a EgressPolicy>>;

/// The policies that speak of what this client sends, in the order of their names.
pub(crate) fn policies<'a>(snapshot: &'a Snapshot, scope: &Scope) -> Vec<&'a EgressPolicy> {
    let Some(caller) = traffic::caller(snapshot, scope) else { return Vec::new() };
    snapshot.egress_policies.iter().map(|policy| &**policy).filter(|policy| policy.concerns(caller)).collect()
}

/// The chains of what is let through.
pub(super) fn chains(snapshot: &Snapshot, scope: &Scope) -> Vec<FilterChain> {
    let mut places = Places::new();
    let mut policies = policies(snapshot, scope);
    // Of two that say the same that with TLS decides: nothing goes out in plaintext by another's name.
    policies.sort_by_key(|policy| policy.settings.tls.is_none());
    for policy in policies {
        let blocks: Vec<_> = match policy.blocks.as_slice() {
            [] => vec![None],
            blocks => blocks.iter().copied().map(Some).collect(),
        };
        for port in &policy.ports {
            for block in &blocks {
                places.entry((*port, *block)).or_default().push(policy);
            }
        }
    }
    let mut chains = Vec::new();
    for ((port, block), policies) in places {
        match port.protocol {
            EgressProtocol::Http => chains.push(http(snapshot, port.number, block, &policies)),
            EgressProtocol::Tls => chains.extend(tls(snapshot, port.number, block, &policies)),
            EgressProtocol::Tcp => {
                let first =
                    policies.first().map(|policy| chain(fits(port.number, block), tcp(snapshot, policy), &[policy]));
                chains.extend(first);
            }
        }
    }
    chains
}

fn fits(port: u16, block: Option<(IpAddr, u8)>) -> FilterChainMatch {
    let range = |(address, length): (IpAddr, u8)| CidrRange {
        address_prefix: address.to_string(),
        prefix_len: Some(uint32(length.into())),
    };
    FilterChainMatch {
        destination_port: Some(uint32(port.into())),
        prefix_ranges: block.map(range).into_iter().collect(),
        ..Default::default()
    }
}

fn chain(fits: FilterChainMatch, filter: Filter, policies: &[&EgressPolicy]) -> FilterChain {
    let from = policies.iter().map(|policy| policy.origin.to_string());
    FilterChain { filter_chain_match: Some(fits), filters: vec![filter], metadata: origins(from), ..Default::default() }
}

fn tcp(snapshot: &Snapshot, policy: &EgressPolicy) -> Filter {
    let cluster = resource_name::egress(&policy.origin);
    let idle = policy.settings.timeouts.and_then(|timeouts| timeouts.idle);
    filter::tcp(&cluster, &crate::split::Target::Cluster(cluster.clone()), idle, snapshot.mesh.access_log)
}

/// A chain for each policy, with the names that none before it has.
fn tls(snapshot: &Snapshot, port: u16, block: Option<(IpAddr, u8)>, policies: &[&EgressPolicy]) -> Vec<FilterChain> {
    let mut taken = BTreeSet::new();
    let mut chains = Vec::new();
    for policy in policies {
        let names: Vec<_> = policy.hosts.iter().filter(|host| taken.insert(*host)).map(wildcard).collect();
        if names.is_empty() {
            continue;
        }
        let fits = FilterChainMatch { server_names: names, transport_protocol: "tls".into(), ..fits(port, block) };
        chains.push(chain(fits, tcp(snapshot, policy), &[policy]));
    }
    chains
}

/// A host as Envoy writes it.
fn wildcard(host: &HostMatch) -> String {
    match host {
        HostMatch::Exact(host) => host.clone(),
        HostMatch::Below(domain) => format!("*{domain}"),
    }
}

fn http(snapshot: &Snapshot, port: u16, block: Option<(IpAddr, u8)>, policies: &[&EgressPolicy]) -> FilterChain {
    let closed = snapshot.mesh.outbound_policy == OutboundPolicy::RegistryOnly;
    let name = format!("egress:{port}");
    let mut taken = BTreeSet::new();
    let mut hosts = Vec::new();
    for policy in policies {
        let domains: Vec<_> = policy.hosts.iter().filter(|host| taken.insert(*host)).map(wildcard).collect();
        if !domains.is_empty() {
            let cluster = resource_name::egress(&policy.origin);
            hosts.push(routes::host(&policy.origin.to_string(), domains, routes::to_one(&cluster, &policy.settings)));
        }
    }
    if !closed {
        let rest = routes::to_one(resource_name::PASSTHROUGH, &Default::default());
        hosts.push(routes::host("others", vec!["*".into()], rest));
    }
    let configuration = route::RouteConfiguration {
        name: name.clone(),
        virtual_hosts: hosts,
        ignore_port_in_host_matching: true,
        ..Default::default()
    };
    let access = closed.then(|| {
        let config = http_rbac::Rbac { rules: Some(access(port, policies)), ..Default::default() };
        http_filter("envoy.filters.http.rbac", stable::pack(&config, stable::RBAC))
    });
    let manager = filter::http(&name, filter::inline(configuration), access, snapshot.mesh.access_log);
    let fits = FilterChainMatch { transport_protocol: "raw_buffer".into(), ..fits(port, block) };
    chain(fits, filter::http_network_filter(&manager), policies)
}

/// What is let through, by the names of the policies; all else is refused, logged and counted.
fn access(port: u16, policies: &[&EgressPolicy]) -> rbac::Rbac {
    let mut rules = HashMap::new();
    for policy in policies {
        let hosts = one_of(policy.hosts.iter().flat_map(|host| authority(host, port)).collect());
        let requests = policy.requests.iter().map(|fits| matcher::permission(fits).unwrap_or(of(Rule::Any(true))));
        let parts: Vec<_> = hosts.into_iter().chain(one_of(requests.collect())).collect();
        let rule = rbac::Policy {
            permissions: vec![all(parts)],
            principals: vec![rbac::Principal { identifier: Some(rbac::principal::Identifier::Any(true)) }],
            ..Default::default()
        };
        rules.insert(policy.origin.to_string(), rule);
    }
    rbac::Rbac { action: rbac::rbac::Action::Allow.into(), policies: rules, ..Default::default() }
}

/// The request's host, with the port or without.
fn authority(host: &HostMatch, port: u16) -> [rbac::Permission; 2] {
    let fits = |text: String| {
        let pattern = match host {
            HostMatch::Exact(_) => MatchPattern::Exact(text),
            HostMatch::Below(_) => MatchPattern::Suffix(text),
        };
        let fits = StringMatcher { match_pattern: Some(pattern), ignore_case: true };
        of(Rule::Header(matcher::named(":authority", Some(fits))))
    };
    let (HostMatch::Exact(text) | HostMatch::Below(text)) = host;
    [fits(text.clone()), fits(format!("{text}:{port}"))]
}
