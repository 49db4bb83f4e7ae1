//! Certificate signing requests ([PKCS#10](https://www.rfc-editor.org/rfc/rfc2986)).

use leno_model::SpiffeId;
use rcgen::{CertificateParams, DistinguishedName, DnType, SanType};

use crate::{PrivateKey, TlsError};

/// The request (PEM) for a certificate of this identity, signed with the key. The authority takes the identity from
/// the caller's token and not from here; other authorities (istio-csr) want to see it.
///
/// # Errors
/// When the identity cannot be written as a URI name, or signing fails.
pub fn workload(key: &PrivateKey, id: &SpiffeId) -> Result<String, TlsError> {
    named_workload(key, id, "")
}

/// The same with the name of what made the workload (a Deployment's, for example), for [`peer_workload`]; left out when
/// it is empty or longer than a common name may be.
///
/// [`peer_workload`]: crate::peer_workload
///
/// # Errors
/// As [`workload`].
pub fn named_workload(key: &PrivateKey, id: &SpiffeId, name: &str) -> Result<String, TlsError> {
    let uri = id.to_string().try_into().map_err(TlsError::Request)?;
    sign(key, name, vec![SanType::URI(uri)])
}

/// The request (PEM) for a server certificate with this DNS name, signed with the key.
///
/// # Errors
/// When the name cannot be written as a DNS name, or signing fails.
pub fn server(key: &PrivateKey, dns_name: &str) -> Result<String, TlsError> {
    let name = dns_name.try_into().map_err(TlsError::Request)?;
    sign(key, "", vec![SanType::DnsName(name)])
}

/// The longest common name ([RFC 5280, appendix A.1]).
///
/// [RFC 5280, appendix A.1]: https://www.rfc-editor.org/rfc/rfc5280#appendix-A.1
const MAX_COMMON_NAME: usize = 64;

fn sign(key: &PrivateKey, common_name: &str, names: Vec<SanType>) -> Result<String, TlsError> {
    let mut params = CertificateParams::default();
    // The default common name says "rcgen self signed cert".
    params.distinguished_name = DistinguishedName::new();
    if (1..=MAX_COMMON_NAME).contains(&common_name.len()) {
        params.distinguished_name.push(DnType::CommonName, common_name);
    }
    params.subject_alt_names = names;
    params.serialize_request(key.pair()).and_then(|request| request.pem()).map_err(TlsError::Request)
}
