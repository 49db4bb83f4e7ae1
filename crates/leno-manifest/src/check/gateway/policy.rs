//! ReferenceGrants and BackendTLSPolicies.

use std::collections::HashSet;

use crate::{
    gateway::{
        backend_tls_policy::{BackendTlsPolicySpec, SubjectAltName, SubjectAltNameType},
        reference_grant::ReferenceGrantSpec,
    },
    problem::Problems,
    syntax::name,
};

pub(in crate::check) fn check_grant(spec: &ReferenceGrantSpec, problems: &mut Problems<'_>) {
    if spec.from.is_empty() {
        problems.add("spec.from", "at least one kind of object that may refer", "");
    }
    if spec.to.is_empty() {
        problems.add("spec.to", "at least one kind of object that may be referred to", "");
    }
    for (index, from) in spec.from.iter().enumerate() {
        if let Err(rule) = name::dns_label(&from.namespace) {
            problems.add(&format!("spec.from[{index}].namespace"), rule, "");
        }
    }
}

pub(in crate::check) fn check_tls_policy(spec: &BackendTlsPolicySpec, problems: &mut Problems<'_>) {
    if spec.target_refs.is_empty() {
        problems.add("spec.targetRefs", "at least one Service", "");
    }
    let mut seen = HashSet::new();
    for (index, target) in spec.target_refs.iter().enumerate() {
        let at = format!("spec.targetRefs[{index}]");
        if let Err(rule) = name::dns_subdomain(&target.name) {
            problems.add(&format!("{at}.name"), rule, "");
        }
        if !seen.insert((&target.group, &target.kind, &target.name, &target.section_name)) {
            problems.add_value(&at, "the same target again", "a target once", "");
        }
    }
    let validation = &spec.validation;
    let given = [!validation.ca_certificate_refs.is_empty(), validation.well_known_ca_certificates.is_some()];
    problems.exactly_one(&given, "spec.validation", "caCertificateRefs and wellKnownCACertificates");
    if let Err(rule) = name::dns_subdomain(&validation.hostname) {
        problems.add("spec.validation.hostname", rule, "");
    }
    subject_alt_names(&validation.subject_alt_names, "spec.validation.subjectAltNames", problems);
}

/// Names of certificates.
pub(in crate::check) fn subject_alt_names(names: &[SubjectAltName], at: &str, problems: &mut Problems<'_>) {
    for (index, san) in names.iter().enumerate() {
        let at = format!("{at}[{index}]");
        let (meant, other, field, wrong) = match san.kind {
            SubjectAltNameType::Hostname => (&san.hostname, &san.uri, "hostname", "uri"),
            SubjectAltNameType::Uri => (&san.uri, &san.hostname, "uri", "hostname"),
        };
        if meant.as_deref().is_none_or(str::is_empty) {
            problems.add(&format!("{at}.{field}"), "the name that the type speaks of", "");
        }
        if other.is_some() {
            problems.add_value(&format!("{at}.{wrong}"), "given", "nothing: the type says otherwise", "");
        }
    }
}
