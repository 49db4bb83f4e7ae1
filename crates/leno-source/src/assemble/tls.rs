//! TLS of endpoints' own, as TrafficPolicies and BackendTLSPolicies ask for it: certificates are taken from the objects that
//! are named. Where none is to be had no connection is made.

use leno_manifest::{
    Manifest,
    core::{ConfigMap, Secret},
    gateway::backend_tls_policy::{SubjectAltName, SubjectAltNameType},
    leno::traffic_policy::tls::{CertificateKind, CertificateRef, Tls, TlsMode, TlsVersion},
};
use leno_model::policy::traffic::{AltName, Roots, TlsOrigination, TlsVersions, UpstreamTls};

use super::{Remarks, target::Flaw};
use crate::{AttachmentReason, Note, NoteReason, Objects, certificate};

/// The key of certificates where no other is named.
pub(super) const KEY: &str = "ca.crt";

/// What a TrafficPolicy says.
pub(super) fn said(objects: &Objects, manifest: &Manifest, tls: &Tls, remarks: &mut Remarks) -> UpstreamTls {
    match tls.mode {
        TlsMode::Disable => return UpstreamTls::Disable,
        TlsMode::Mutual => return UpstreamTls::Mutual,
        TlsMode::Simple => {}
    }
    let roots = match tls.well_known_ca_certificates {
        Some(_) => Roots::System,
        None => {
            let of = |(index, reference): (usize, &CertificateRef)| {
                let key = reference.key.as_deref().unwrap_or(KEY);
                let found = certificates(objects, manifest.object.namespace(), reference.kind, &reference.name, key);
                found.map_err(|text| format!("spec.tls.caCertificateRefs[{index}] {text}"))
            };
            let (roots, problems) = gathered(tls.ca_certificate_refs.iter().enumerate().map(of));
            for text in problems {
                remarks.notes.push(Note::new(manifest, NoteReason::Unresolved, text));
            }
            roots
        }
    };
    let every = TlsVersions::default();
    UpstreamTls::Simple(TlsOrigination {
        roots,
        server_name: tls.hostname.as_ref().map(|name| name.to_ascii_lowercase()),
        names: names(tls.hostname.as_deref(), &tls.subject_alt_names),
        versions: TlsVersions {
            lowest: tls.min_version.map_or(every.lowest, TlsVersion::to_model),
            highest: tls.max_version.map_or(every.highest, TlsVersion::to_model),
        },
    })
}

/// What is wrong with TLS that believes nobody.
pub(super) fn flaw(roots: &Roots) -> Option<Flaw> {
    match roots {
        Roots::Nobody => {
            let text = "none of its certificates is there, so no connection is made";
            Some((AttachmentReason::NoValidCaCertificate, text.to_owned()))
        }
        Roots::System | Roots::Pem(_) => None,
    }
}

/// The names of which a certificate must have one: the host's, unless others are given.
pub(super) fn names(hostname: Option<&str>, others: &[SubjectAltName]) -> Vec<AltName> {
    let dns = |name: &str| AltName::Dns(name.to_ascii_lowercase());
    if others.is_empty() {
        return hostname.map(dns).into_iter().collect();
    }
    let name = |name: &SubjectAltName| match name.kind {
        SubjectAltNameType::Hostname => name.hostname.as_deref().map(dns),
        SubjectAltNameType::Uri => name.uri.clone().map(AltName::Uri),
    };
    others.iter().filter_map(name).collect()
}

/// Certificates from several places, all together, and what is wrong with the places that have none.
pub(super) fn gathered<E>(found: impl Iterator<Item = Result<String, E>>) -> (Roots, Vec<E>) {
    let (mut pem, mut problems) = (String::new(), Vec::new());
    for one in found {
        match one {
            Ok(more) => {
                pem.push_str(more.trim_end());
                pem.push('\n');
            }
            Err(problem) => problems.push(problem),
        }
    }
    (if pem.is_empty() { Roots::Nobody } else { Roots::Pem(pem) }, problems)
}

/// The certificates in an object.
pub(super) fn certificates(
    objects: &Objects,
    namespace: &str,
    kind: CertificateKind,
    name: &str,
    key: &str,
) -> Result<String, String> {
    let (kind, value) = match kind {
        CertificateKind::ConfigMap => {
            let object = objects.find::<ConfigMap>(namespace, name);
            let text = |object: &ConfigMap| object.data.get(key).map(|text| text.clone().into_bytes());
            ("ConfigMap", object.map(text))
        }
        CertificateKind::Secret => {
            let object = objects.find::<Secret>(namespace, name);
            ("Secret", object.map(|object: &Secret| object.value(key)))
        }
    };
    let object = format!("the {kind} {namespace}/{name}");
    let value = value.ok_or_else(|| format!("names {object}, which is not there"))?;
    let pem = value.ok_or_else(|| format!("names {object}, which has no key {key}"))?;
    certificate::roots(&pem).ok_or_else(|| format!("names {object}, whose {key} has no certificates in PEM"))
}
