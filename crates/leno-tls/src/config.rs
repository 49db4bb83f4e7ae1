//! The one way TLS is configured: TLS 1.3 alone, post-quantum hybrid key exchange first, AES-128-GCM first.

use std::sync::{Arc, LazyLock};

use rustls::{
    ClientConfig, ConfigBuilder, RootCertStore, ServerConfig,
    client::{WantsClientCert, WebPkiServerVerifier},
    crypto::{
        CryptoProvider,
        aws_lc_rs::{self, cipher_suite, kx_group},
    },
    version::TLS13,
};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};

use crate::{Identity, TlsError};

/// The cryptography of every connection. AES-128 first: both sides have AES instructions, it costs a fifth less than
/// AES-256, and 128 bits are what the certificates' P-256 gives.
static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
    Arc::new(CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups: vec![kx_group::X25519MLKEM768, kx_group::X25519],
        ..aws_lc_rs::default_provider()
    })
});

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::clone(&PROVIDER)
}

/// The names as ALPN protocols.
pub(crate) fn protocols(alpn: &[&str]) -> Vec<Vec<u8>> {
    alpn.iter().map(|name| name.as_bytes().to_vec()).collect()
}

pub(crate) fn server() -> Result<ConfigBuilder<ServerConfig, rustls::WantsVerifier>, TlsError> {
    ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[&TLS13]).map_err(TlsError::Config)
}

pub(crate) fn client() -> Result<ConfigBuilder<ClientConfig, rustls::WantsVerifier>, TlsError> {
    ClientConfig::builder_with_provider(provider()).with_protocol_versions(&[&TLS13]).map_err(TlsError::Config)
}

/// A client of an ordinary server, such as the control plane: it trusts the certificates of `ca_pem` and checks the DNS
/// name (or address) that the connection is made with. With an identity it shows that to a server that asks.
///
/// # Errors
/// When `ca_pem` is no PEM or holds no usable certificate.
pub fn dns_client(ca_pem: &str, identity: Option<&Identity>, alpn: &[&str]) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
        let root = root.map_err(TlsError::Pem)?;
        roots.add(root).map_err(|error| TlsError::Malformed(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(TlsError::NoCertificate);
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|error| TlsError::Malformed(error.to_string()))?;
    let builder: ConfigBuilder<ClientConfig, WantsClientCert> = client()?.with_webpki_verifier(verifier);
    let mut config = match identity {
        Some(identity) => builder.with_client_cert_resolver(identity.resolver()),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = protocols(alpn);
    // A resumed session would go on with the client certificate of its first handshake.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}
