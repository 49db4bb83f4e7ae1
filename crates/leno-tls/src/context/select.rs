//! Which of several certificates a caller is shown, as Envoy chooses: by the name that it asks for, then by the kinds of
//! keys that it knows.

use std::sync::Arc;

use rustls::{
    SignatureScheme,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::Certificate;

/// Certificates to choose from.
#[derive(Debug)]
pub(super) struct Selection {
    pub(super) certificates: Vec<Certificate>,
    /// Whether a caller that asks for no name is turned away.
    pub(super) require_name: bool,
    /// Whether all are looked through when none has the name that is asked for; else the first is shown.
    pub(super) full_scan: bool,
}

impl Selection {
    fn choose(&self, name: Option<&str>, ecdsa: bool) -> Option<&Certificate> {
        let Some(name) = name else {
            return if self.require_name { None } else { by_key(self.certificates.iter(), ecdsa) };
        };
        let name = name.to_ascii_lowercase();
        let named = |wanted: &str| {
            let with = self.certificates.iter().filter(|one| one.names().iter().any(|name| **name == *wanted));
            by_key(with, ecdsa)
        };
        let wildcard = || named(&format!("*.{}", name.split_once('.')?.1));
        named(&name).or_else(wildcard).or_else(|| match self.full_scan {
            true => by_key(self.certificates.iter(), ecdsa),
            false => self.certificates.first(),
        })
    }
}

/// The first whose key is of the kind that is best for the caller, else the first.
fn by_key<'a>(mut of: impl Iterator<Item = &'a Certificate>, ecdsa: bool) -> Option<&'a Certificate> {
    let first = of.next()?;
    if first.is_ecdsa() == ecdsa {
        return Some(first);
    }
    Some(of.find(|one| one.is_ecdsa() == ecdsa).unwrap_or(first))
}

impl ResolvesServerCert for Selection {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let of_curves = |scheme: &SignatureScheme| {
            matches!(
                scheme,
                SignatureScheme::ECDSA_NISTP256_SHA256
                    | SignatureScheme::ECDSA_NISTP384_SHA384
                    | SignatureScheme::ECDSA_NISTP521_SHA512
            )
        };
        let ecdsa = hello.signature_schemes().iter().any(of_curves);
        self.choose(hello.server_name(), ecdsa).map(|chosen| Arc::clone(chosen.certified()))
    }
}
