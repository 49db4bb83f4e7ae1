//! TLS of endpoints' own, as TrafficPolicies and BackendTLSPolicies ask for it: certificates are taken from the objects that
//! are named. Where none is to be had no connection is made.

use leno_manifest::{
    Manifest, base64,
    core::{ConfigMap, Secret},
    gateway::backend_tls_policy::{SubjectAltName, SubjectAltNameType},
    leno::traffic_policy::tls::{CertificateKind, CertificateRef, Tls, TlsMode, TlsVersion},
};
use leno_model::policy::traffic::{AltName, Roots, TlsOrigination, UpstreamTls};

use super::Remarks;
use crate::{Note, NoteReason, Objects};

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
    UpstreamTls::Simple(TlsOrigination {
        roots,
        server_name: tls.hostname.as_ref().map(|name| name.to_ascii_lowercase()),
        names: names(tls.hostname.as_deref(), &tls.subject_alt_names),
        lowest: tls.min_version.map(TlsVersion::to_model),
        highest: tls.max_version.map(TlsVersion::to_model),
    })
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
            ("ConfigMap", object.map(|object| object.data.get(key).cloned()))
        }
        CertificateKind::Secret => {
            let object = objects.find::<Secret>(namespace, name);
            let text = |object: &Secret| String::from_utf8(object.value(key)?).ok();
            ("Secret", object.map(text))
        }
    };
    let object = format!("the {kind} {namespace}/{name}");
    let value = value.ok_or_else(|| format!("names {object}, which is not there"))?;
    let pem = value.ok_or_else(|| format!("names {object}, which has no key {key}"))?;
    let blocks = blocks(&pem).ok_or_else(|| format!("names {object}, whose {key} has no certificates in PEM"))?;
    Ok(blocks)
}

/// The certificates of a text and nothing else of it (it may be a Secret's, with a key); `None` when there are none, or one
/// is broken.
fn blocks(pem: &str) -> Option<String> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let mut certificates = String::new();
    let mut rest = pem;
    while let Some((_, from)) = rest.split_once(BEGIN) {
        let (body, after) = from.split_once(END)?;
        let text: String = body.chars().filter(|letter| !letter.is_whitespace()).collect();
        is_der(&base64::decode(&text)?).then_some(())?;
        certificates.push_str(&format!("{BEGIN}{body}{END}\n"));
        rest = after;
    }
    (!certificates.is_empty()).then_some(certificates)
}

/// Whether this is one DER sequence and nothing after it, as a certificate is.
fn is_der(bytes: &[u8]) -> bool {
    let [0x30, first, rest @ ..] = bytes else { return false };
    let (length, content) = match first {
        0x81..=0x84 => {
            let Some((digits, content)) = rest.split_at_checked(usize::from(first & 0x7f)) else { return false };
            (digits.iter().fold(0usize, |length, digit| (length << 8) | usize::from(*digit)), content)
        }
        short @ 0..=0x7f => (usize::from(*short), rest),
        _ => return false,
    };
    content.len() == length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_text_the_certificates_are_taken_if_they_are_whole() {
        let certificate = "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----";
        let key = "-----BEGIN PRIVATE KEY-----\nMAMCAQE=\n-----END PRIVATE KEY-----\n";
        let two = format!("# a\n{certificate}\n{key}{certificate}\n");
        assert_eq!(blocks(&two), Some(format!("{certificate}\n{certificate}\n")));
        for wrong in ["", key, &certificate.replace("MAMCAQE=", "MAQCAQE="), &certificate.replace("END", "end")] {
            assert_eq!(blocks(wrong), None, "{wrong}");
        }
    }
}
