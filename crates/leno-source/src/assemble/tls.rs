//! TLS of endpoints' own, as TrafficPolicies and BackendTLSPolicies ask for it: certificates are taken from the objects that
//! are named. Where none is to be had no connection is made.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use leno_manifest::{
    Manifest,
    core::{ConfigMap, Secret},
    gateway::backend_tls_policy::{SubjectAltName, SubjectAltNameType},
    leno::traffic_policy::tls::{CertificateKind, CertificateRef, ClientCertificate, Tls, TlsMode, TlsVersion},
};
use leno_model::{
    KeyPair, SecretName,
    policy::traffic::{AltName, ClientCertificate as Shown, Roots, TlsOrigination, TlsVersions, UpstreamTls},
};

use super::{Remarks, target::Flaw};
use crate::{AttachmentReason, Note, NoteReason, Objects, certificate};

/// The key of certificates where no other is named.
pub(super) const KEY: &str = "ca.crt";

/// What a TrafficPolicy says, and what is wrong with it.
pub(super) fn said(
    objects: &Objects,
    manifest: &Manifest,
    tls: &Tls,
    remarks: &mut Remarks,
) -> (UpstreamTls, Option<Flaw>) {
    match tls.mode {
        TlsMode::Disable => return (UpstreamTls::Disable, None),
        TlsMode::Mutual => return (UpstreamTls::Mutual, None),
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
    let flaw = flaw(&roots).or_else(|| shown(objects, manifest, tls, remarks));
    let namespace = manifest.object.namespace();
    let certificate = |certificate: &ClientCertificate| match certificate.secret() {
        Some(name) => Shown::Secret(SecretName::new(namespace, name)),
        None => Shown::Identity,
    };
    let simple = TlsOrigination {
        roots,
        server_name: tls.hostname.as_ref().map(|name| name.to_ascii_lowercase()),
        names: names(tls.hostname.as_deref(), &tls.subject_alt_names),
        versions: TlsVersions {
            lowest: tls.min_version.map_or(every.lowest, TlsVersion::to_model),
            highest: tls.max_version.map_or(every.highest, TlsVersion::to_model),
        },
        client_certificate: tls.client_certificate.as_ref().map(certificate),
    };
    (UpstreamTls::Simple(simple), flaw)
}

/// What is wrong with what callers are to show.
fn shown(objects: &Objects, manifest: &Manifest, tls: &Tls, remarks: &mut Remarks) -> Option<Flaw> {
    let secret = SecretName::new(manifest.object.namespace(), tls.client_certificate.as_ref()?.secret()?);
    let text = format!("spec.tls.clientCertificate {}", pair(objects, &secret).err()?);
    remarks.notes.push(Note::new(manifest, NoteReason::Unresolved, text.clone()));
    Some((AttachmentReason::InvalidClientCertificateRef, format!("{text}, so no connection is made")))
}

/// The pair of a Secret.
fn pair(objects: &Objects, secret: &SecretName) -> Result<KeyPair, String> {
    let object = objects.find::<Secret>(&secret.namespace, &secret.name);
    let object = object.ok_or_else(|| format!("names the Secret {secret}, which is not there"))?;
    certificate::pair(object).map_err(|wrong| format!("names the Secret {secret}, {wrong}"))
}

/// The pairs that these policies have shown, of those Secrets that are good.
pub(super) fn pairs<'a>(
    objects: &Objects,
    said: impl Iterator<Item = &'a UpstreamTls>,
) -> BTreeMap<SecretName, Arc<KeyPair>> {
    let names: BTreeSet<&SecretName> = said.filter_map(UpstreamTls::secret).collect();
    names.into_iter().filter_map(|name| Some((name.clone(), Arc::new(pair(objects, name).ok()?)))).collect()
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
