//! EgressPolicies.

use std::collections::HashSet;

use super::{traffic_policy, value};
use crate::{
    leno::{
        EgressPolicy,
        egress_policy::{EgressPolicySpec, Protocol},
        traffic_policy::Tls,
    },
    problem::Problems,
    syntax::name,
};

pub(super) fn check(policy: &EgressPolicy, problems: &mut Problems<'_>) {
    let spec = &policy.spec;
    for (index, account) in spec.service_accounts.iter().enumerate() {
        if let Err(rule) = name::dns_subdomain(account) {
            problems.add(&format!("spec.serviceAccounts[{index}]"), rule, "");
        }
    }
    ports(spec, problems);
    hosts(spec, problems);
    for (index, block) in spec.ip_blocks.iter().enumerate() {
        value::range(block, &format!("spec.ipBlocks[{index}]"), problems);
    }
    let http = spec.ports.iter().any(|port| port.protocol == Protocol::Http);
    for (given, field) in [(!spec.matches.is_empty(), "matches"), (spec.retries.is_some(), "retries")] {
        if given && !http {
            problems.add_value(
                &format!("spec.{field}"),
                "given without a port of HTTP",
                "one, as it is about requests",
                "",
            );
        }
    }
    for (index, one) in spec.matches.iter().enumerate() {
        value::request(one, &format!("spec.matches[{index}]"), problems);
    }
    if let Some(tls) = spec.tls() {
        tls_to_the_outside(spec, &tls, problems);
    }
    traffic_policy::limits(spec.connections.as_ref(), spec.retries.as_ref(), spec.timeouts.as_ref(), problems);
}

fn tls_to_the_outside(spec: &EgressPolicySpec, tls: &Tls, problems: &mut Problems<'_>) {
    if let Some(index) = spec.ports.iter().position(|port| port.protocol == Protocol::Tls) {
        let fix = "the application speaks TLS itself there; write a policy of its own for such ports";
        problems.add(&format!("spec.ports[{index}].protocol"), "HTTP or TCP, as spec.tls is given", fix);
    }
    if spec.ip_blocks.is_empty() && spec.ports.iter().any(|port| port.protocol == Protocol::Tcp) {
        let fix = "else every connection to that port, whatever it is for, would be TLS for one name";
        problems.add("spec.ipBlocks", "the addresses of the host, as spec.tls is given for a port of TCP", fix);
    }
    if spec.tls.as_ref().is_some_and(|tls| tls.port == Some(0)) {
        problems.add("spec.tls.port", "a port, from 1 to 65535", "");
    }
    traffic_policy::tls(tls, problems);
}

fn ports(spec: &EgressPolicySpec, problems: &mut Problems<'_>) {
    if spec.ports.is_empty() {
        problems.add("spec.ports", "at least one port", "e.g. [{ number: 443, protocol: TLS }]");
    }
    let mut seen = HashSet::new();
    for (index, port) in spec.ports.iter().enumerate() {
        if !seen.insert(port.number) {
            let fix = "write a policy for each protocol, on ports of their own";
            problems.add(&format!("spec.ports[{index}].number"), "a port that is named once", fix);
        }
    }
}

fn hosts(spec: &EgressPolicySpec, problems: &mut Problems<'_>) {
    let named = spec.ports.iter().any(|port| port.protocol != Protocol::Tcp);
    if named && spec.hosts.is_empty() {
        problems.add("spec.hosts", "at least one host, as there is a port of HTTP or TLS", "");
    }
    if !named && !spec.hosts.is_empty() && !spec.ports.is_empty() {
        let fix = "name addresses in ipBlocks; bytes do not tell what host they are for";
        problems.add_value("spec.hosts", "given for TCP alone", "none", fix);
    }
    let mut seen = HashSet::new();
    for (index, host) in spec.hosts.iter().enumerate() {
        let field = format!("spec.hosts[{index}]");
        let lower = host.to_ascii_lowercase();
        let inner = lower.strip_prefix("*.").unwrap_or(&lower);
        if name::dns_subdomain(inner).is_err() {
            problems.add(&field, "a host, or *. and the domain that hosts are below", "");
        } else if !seen.insert(lower.clone()) {
            problems.add(&field, "a host that is named once", "");
        }
    }
}
