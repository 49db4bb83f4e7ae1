//! What a TrafficPolicy says of TLS.

use crate::{
    check::gateway::subject_alt_names,
    leno::traffic_policy::{
        Tls, TrafficPolicySpec,
        tls::{ClientCertificate, ClientCertificateKind, TlsMode},
    },
    problem::Problems,
    syntax::name,
};

pub(in crate::check) fn check(tls: &Tls, problems: &mut Problems<'_>) {
    let at = |field: &str| format!("spec.tls.{field}");
    if tls.mode != TlsMode::Simple {
        for (given, field) in [
            (tls.hostname.is_some(), "hostname"),
            (!tls.subject_alt_names.is_empty(), "subjectAltNames"),
            (!tls.ca_certificate_refs.is_empty(), "caCertificateRefs"),
            (tls.well_known_ca_certificates.is_some(), "wellKnownCACertificates"),
            (tls.min_version.is_some(), "minVersion"),
            (tls.max_version.is_some(), "maxVersion"),
            (tls.client_certificate.is_some(), "clientCertificate"),
        ] {
            if given {
                problems.add(&at(field), "nothing: it belongs to the mode Simple", "");
            }
        }
        return;
    }
    let given = [!tls.ca_certificate_refs.is_empty(), tls.well_known_ca_certificates.is_some()];
    problems.exactly_one(&given, "spec.tls", "caCertificateRefs and wellKnownCACertificates");
    match &tls.hostname {
        Some(hostname) => {
            if let Err(rule) = name::dns_subdomain(hostname) {
                problems.add(&at("hostname"), rule, "");
            }
        }
        None if tls.subject_alt_names.is_empty() => {
            let fix = "else anybody with a certificate would do";
            problems.add(&at("hostname"), "the name of the host, or subjectAltNames in its place", fix);
        }
        None => {}
    }
    subject_alt_names(&tls.subject_alt_names, &at("subjectAltNames"), problems);
    for (index, reference) in tls.ca_certificate_refs.iter().enumerate() {
        let at = at(&format!("caCertificateRefs[{index}]"));
        if let Err(rule) = name::dns_subdomain(&reference.name) {
            problems.add(&format!("{at}.name"), rule, "");
        }
        if reference.key.as_ref().is_some_and(String::is_empty) {
            problems.add(&format!("{at}.key"), "a key of the object", "leave it out for ca.crt");
        }
    }
    if tls.min_version.zip(tls.max_version).is_some_and(|(min, max)| min > max) {
        problems.add(&at("maxVersion"), "not below minVersion", "");
    }
    if let Some(certificate) = &tls.client_certificate {
        client_certificate(certificate, problems);
    }
}

/// Whose sidecars get a key has to be said.
pub(super) fn to_whom(spec: &TrafficPolicySpec, tls: &Tls, problems: &mut Problems<'_>) {
    let secret = tls.client_certificate.as_ref().and_then(ClientCertificate::secret);
    if secret.is_some() && spec.from.is_empty() {
        let fix =
            "name the callers: their sidecars get the key of the Secret in spec.tls.clientCertificate, and no others";
        problems.add("spec.from", "at least one caller", fix);
    }
}

fn client_certificate(certificate: &ClientCertificate, problems: &mut Problems<'_>) {
    let at = "spec.tls.clientCertificate.name";
    match (certificate.kind, &certificate.name) {
        (ClientCertificateKind::Identity, Some(_)) => problems.add(at, "nothing: it belongs to the kind Secret", ""),
        (ClientCertificateKind::Secret, None) => {
            problems.add(at, "the name of a Secret of type kubernetes.io/tls", "");
        }
        (ClientCertificateKind::Secret, Some(name)) => {
            if let Err(rule) = name::dns_subdomain(name) {
                problems.add(at, rule, "");
            }
        }
        (ClientCertificateKind::Identity, None) => {}
    }
}
