//! MeshConfig.

use std::time::Duration;

use leno_model::TrustDomain;

use super::value;
use crate::{
    leno::{
        MeshConfig,
        mesh_config::{Interception, NAME},
    },
    problem::Problems,
    syntax::{duration, name},
};

/// The shortest lifetime of a certificate: shorter ones leave no time to renew it.
const SHORTEST_LIFETIME: Duration = Duration::from_secs(60);

/// The longest lifetime of a certificate: the root that signs it lives ten years.
const LONGEST_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

pub(super) fn check(config: &MeshConfig, problems: &mut Problems<'_>) {
    let spec = &config.spec;
    if config.metadata.name != NAME {
        problems.add("metadata.name", NAME, "a mesh has one MeshConfig, of this name");
    }
    if let Some(Err(_)) = spec.trust_domain.as_ref().map(TrustDomain::new) {
        problems.add("spec.trustDomain", "1 to 255 of a-z, 0-9, '.', '-', '_'", "");
    }
    if let Some(text) = &spec.certificate_lifetime {
        match duration::parse(text) {
            Some(lifetime) if (SHORTEST_LIFETIME..=LONGEST_LIFETIME).contains(&lifetime) => {}
            Some(_) => problems.add("spec.certificateLifetime", "a length of time from 1m to 87600h", ""),
            None => problems.add("spec.certificateLifetime", duration::EXPECTED, ""),
        }
    }
    if spec.max_request_bytes == Some(0) {
        problems.add("spec.maxRequestBytes", "an integer from 1 to 4294967295", "leave it out for no limit");
    }
    if spec.log_level.as_deref().is_some_and(|text| !is_log_level(text)) {
        let expected = "error, warn, info, debug or trace, or a list such as info,leno_proxy=debug";
        problems.add("spec.logLevel", expected, "");
    }
    check_interception(&spec.interception, problems);
}

fn check_interception(interception: &Interception, problems: &mut Problems<'_>) {
    for (ports, field) in [
        (&interception.exclude_inbound_ports, "excludeInboundPorts"),
        (&interception.exclude_outbound_ports, "excludeOutboundPorts"),
    ] {
        for (index, _) in ports.iter().enumerate().filter(|(_, port)| **port == 0) {
            problems.add(&format!("spec.interception.{field}[{index}]"), "an integer from 1 to 65535", "");
        }
    }
    for (ranges, field) in [
        (&interception.exclude_outbound_ranges, "excludeOutboundRanges"),
        (&interception.include_outbound_ranges, "includeOutboundRanges"),
    ] {
        for (index, text) in ranges.iter().enumerate() {
            value::range(text, &format!("spec.interception.{field}[{index}]"), problems);
        }
    }
    for (index, text) in interception.exclude_interfaces.iter().enumerate() {
        if let Err(rule) = name::interface(text) {
            problems.add(&format!("spec.interception.excludeInterfaces[{index}]"), rule, "");
        }
    }
}

fn is_log_level(text: &str) -> bool {
    let level = |text: &str| {
        matches!(text.to_ascii_lowercase().as_str(), "off" | "error" | "warn" | "info" | "debug" | "trace")
    };
    let target = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '-'))
    };
    !text.is_empty()
        && text.split(',').map(str::trim).all(|part| match part.split_once('=') {
            Some((name, word)) => target(name) && level(word),
            None => level(part),
        })
}
