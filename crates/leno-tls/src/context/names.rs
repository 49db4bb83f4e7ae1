//! Names in certificates, and what they have to be.

use std::{fmt, net::IpAddr, sync::Arc};

use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use crate::TlsError;

/// A kind of name ([`SubjectAltNameMatcher.SanType`]).
///
/// [`SubjectAltNameMatcher.SanType`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/transport_sockets/tls/v3/common.proto#enum-extensions-transport-sockets-tls-v3-subjectaltnamematcher-santype
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NameKind {
    /// A host's.
    Dns,
    /// A URI.
    Uri,
    /// An address.
    Ip,
    /// A mailbox.
    Email,
}

/// A rule that a name fits, or does not.
type Fits = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// What one name of a peer has to be.
#[derive(Clone)]
pub struct NameMatcher {
    kind: NameKind,
    fits: Fits,
}

impl fmt::Debug for NameMatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NameMatcher").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl NameMatcher {
    /// A name of this kind that fits a rule.
    #[must_use]
    pub fn new(kind: NameKind, fits: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self { kind, fits: Arc::new(fits) }
    }

    /// A certificate for this host.
    #[must_use]
    pub fn host(host: &str) -> Self {
        let host = host.to_owned();
        Self::new(NameKind::Dns, move |name| names_host(name, &host))
    }

    pub(super) fn matches(&self, (kind, name): &Name) -> bool {
        *kind == self.kind && (self.fits)(name)
    }
}

/// Whether a DNS name of a certificate, which may begin with `*.` for any one label, is for a host ([RFC 6125, 6.4]).
///
/// [RFC 6125, 6.4]: https://www.rfc-editor.org/rfc/rfc6125#section-6.4
#[must_use]
pub fn names_host(name: &str, host: &str) -> bool {
    if name.eq_ignore_ascii_case(host) {
        return true;
    }
    let (Some(of_all), Some((label, parent))) = (name.strip_prefix("*."), host.split_once('.')) else { return false };
    // A wildcard stands for hosts of a domain, not for domains of the top.
    !label.is_empty() && of_all.contains('.') && of_all.eq_ignore_ascii_case(parent)
}

/// A name and its kind.
pub(super) type Name = (NameKind, String);

/// The names of a certificate.
pub(super) fn of(leaf: &CertificateDer<'_>) -> Result<Vec<Name>, TlsError> {
    let (_, parsed) = X509Certificate::from_der(leaf).map_err(|error| TlsError::Malformed(error.to_string()))?;
    Ok(of_parsed(&parsed))
}

/// The names of a certificate that was parsed; kinds that cannot be asked for are left out.
pub(super) fn of_parsed(parsed: &X509Certificate<'_>) -> Vec<Name> {
    let extension = parsed.subject_alternative_name().ok().flatten();
    let names = extension.map(|extension| extension.value.general_names.as_slice()).unwrap_or_default();
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((NameKind::Dns, (*name).to_owned())),
        GeneralName::URI(name) => Some((NameKind::Uri, (*name).to_owned())),
        GeneralName::RFC822Name(name) => Some((NameKind::Email, (*name).to_owned())),
        GeneralName::IPAddress(bytes) => Some((NameKind::Ip, address(bytes)?.to_string())),
        _ => None,
    };
    names.iter().filter_map(text).collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_one_label() {
        for (name, host, expected) in [
            ("a.example", "A.example", true),
            ("*.b.example", "a.b.example", true),
            ("*.b.example", "b.example", false),
            ("*.b.example", "x.a.b.example", false),
            ("*.example", "a.example", false),
            ("a.*.example", "a.b.example", false),
            ("a.example", "b.example", false),
        ] {
            assert_eq!(names_host(name, host), expected, "{name} for {host}");
        }
    }
}
