//! Certificates of those who vouch for others, taken from a text that may hold more.

use leno_manifest::base64;
use rustls_pki_types::{CertificateDer, pem::PemObject as _};

/// How many letters a line of PEM has (RFC 7468, section 2).
const LINE: usize = 64;

/// The certificates in a PEM text that chains can lead to, in PEM, and nothing else of it: it may be a Secret's, with a key
/// beside. Left out is what sidecars could not read, since they would refuse the whole. `None` when nothing is left.
#[must_use]
pub fn roots(text: &[u8]) -> Option<String> {
    let mut pem = String::new();
    for certificate in CertificateDer::pem_slice_iter(text).flatten() {
        if webpki::anchor_from_trusted_cert(&certificate).is_err() {
            continue;
        }
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

#[cfg(test)]
mod tests {
    use super::*;

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
