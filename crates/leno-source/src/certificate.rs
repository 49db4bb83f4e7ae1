//! Certificates of those who vouch for others, taken from a text that may hold more; and pairs with a key, taken from Secrets.

use leno_manifest::{
    annotation::CLIENT_CERTIFICATE,
    base64,
    core::{Secret, secret},
};
use leno_model::KeyPair;
use leno_tls::{TlsError, context::Certificate};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};

use crate::secret::may_be_shown;

/// How many letters a line of PEM has (RFC 7468, section 2).
const LINE: usize = 64;

/// The certificates in a PEM text that chains can lead to, in PEM, and nothing else of it: it may be a Secret's, with a key
/// beside. Left out is what sidecars could not read, since they would refuse the whole. `None` when nothing is left.
#[must_use]
pub fn roots(text: &[u8]) -> Option<String> {
    let certificates = CertificateDer::pem_slice_iter(text).flatten();
    pem(certificates.filter(|it| webpki::anchor_from_trusted_cert(it).is_ok()))
}

/// The certificates in a PEM text, in PEM, and nothing else of it. `None` when there are none.
#[must_use]
pub fn chain(text: &[u8]) -> Option<String> {
    pem(CertificateDer::pem_slice_iter(text).flatten())
}

fn pem<'a>(certificates: impl Iterator<Item = CertificateDer<'a>>) -> Option<String> {
    let mut pem = String::new();
    for certificate in certificates {
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        let mut rest = base64::encode(&certificate);
        while !rest.is_empty() {
            let next = rest.split_off(rest.len().min(LINE));
            pem.push_str(&rest);
            pem.push('\n');
            rest = next;
        }
        pem.push_str("-----END CERTIFICATE-----\n");
    }
    (!pem.is_empty()).then_some(pem)
}

/// The pair in a Secret, if sidecars can show it.
///
/// # Errors
/// What is wrong with it: the end of a sentence about the Secret, without anything of its values.
pub fn pair(object: &Secret) -> Result<KeyPair, String> {
    if object.type_.as_deref() != Some(secret::TLS) {
        let found = object.type_.as_deref().unwrap_or("Opaque");
        return Err(format!("which is of type {found}, expected {}", secret::TLS));
    }
    if !may_be_shown(object) {
        return Err(format!("which does not say {CLIENT_CERTIFICATE}: enabled"));
    }
    let text = |key: &str| {
        let value = object.value(key).ok_or_else(|| format!("which has no {key}"))?;
        String::from_utf8(value).map_err(|_| format!("whose {key} is no text in PEM"))
    };
    let (chain, key) = (text(secret::TLS_CERTIFICATE)?, text(secret::TLS_KEY)?);
    // Texts of errors may repeat what they are about, so they are not passed on.
    match Certificate::from_pem(chain.as_bytes(), key.as_bytes()) {
        // The certificates alone: a text that begins with them may go on with a key, and this part is no secret.
        Ok(_) => Ok(KeyPair::new(self::chain(chain.as_bytes()).unwrap_or_default(), key)),
        Err(TlsError::KeyMismatch(_)) => {
            Err(format!("whose {} is not the key of its {}", secret::TLS_KEY, secret::TLS_CERTIFICATE))
        }
        Err(_) => Err(format!("whose {} and {} are no chain and key in PEM", secret::TLS_CERTIFICATE, secret::TLS_KEY)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use leno_manifest::meta::ObjectMeta;

    use super::*;

    #[test]
    fn a_pair_is_taken_whose_key_fits_and_errors_tell_nothing_of_it() {
        let made = || {
            let key = rcgen::KeyPair::generate().unwrap();
            (rcgen::CertificateParams::default().self_signed(&key).unwrap().pem(), key.serialize_pem())
        };
        let ((chain, key), (_, other)) = (made(), made());
        let consent = BTreeMap::from([(CLIENT_CERTIFICATE.to_owned(), "enabled".to_owned())]);
        let secret = |kind: &str, values: &[(&str, &str)]| Secret {
            metadata: ObjectMeta { annotations: consent.clone(), ..ObjectMeta::default() },
            type_: Some(kind.to_owned()),
            string_data: values.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect(),
            ..Secret::default()
        };
        let tls = |chain: &str, key: &str| pair(&secret(secret::TLS, &[("tls.crt", chain), ("tls.key", key)]));
        assert_eq!(tls(&chain, &key).unwrap().expose_key(), key);
        let broken = key.replacen("MI", "M!", 1);
        for (wrong, text) in [
            (tls(&chain, &other), "whose tls.key is not the key of its tls.crt"),
            (tls(&chain, &broken), "whose tls.crt and tls.key are no chain and key in PEM"),
            (tls(&key, &key), "whose tls.crt and tls.key are no chain and key in PEM"),
            (pair(&secret(secret::TLS, &[("tls.crt", &chain)])), "which has no tls.key"),
            (pair(&secret("Opaque", &[])), "which is of type Opaque, expected kubernetes.io/tls"),
        ] {
            assert_eq!(wrong.unwrap_err(), text);
        }
    }

    fn certificate() -> String {
        let key = rcgen::KeyPair::generate().unwrap();
        rcgen::CertificateParams::default().self_signed(&key).unwrap().pem().replace("\r\n", "\n")
    }

    #[test]
    fn of_a_text_the_certificates_are_taken_and_nothing_else() {
        let (one, other) = (certificate(), certificate());
        let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
        let text = format!("# a\n{one}{key}{other}");
        assert_eq!(roots(text.as_bytes()), Some(format!("{one}{other}")));
        assert_eq!(roots(text.replace('\n', "\r\n").as_bytes()), Some(format!("{one}{other}")));
    }

    #[test]
    fn what_a_sidecar_could_not_read_is_left_out() {
        let good = certificate();
        let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
        // DER of the right length, but no certificate.
        let sequence = "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n";
        let (short, open) = (good.replacen("MII", "MI", 1), good.replace("END", "end"));
        for wrong in ["", "none", &key, sequence, &short, &open] {
            assert_eq!(roots(wrong.as_bytes()), None, "{wrong}");
            assert_eq!(roots(format!("{good}{wrong}").as_bytes()), Some(good.clone()), "{wrong}");
        }
        assert_eq!(roots(format!("{sequence}{short}{good}").as_bytes()), Some(good));
    }
}
