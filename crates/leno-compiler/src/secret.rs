//! Secrets: the roots, which are public, and the pairs that callers show to servers.

use leno_model::{KeyPair, Snapshot, resource_name};
use leno_proto::{
    any,
    google::protobuf::Any,
    v3::{core, tls},
};

/// The trust bundle: the roots (PEM, one or more) that peers are verified against.
#[must_use]
pub fn trust_bundle(roots_pem: &str) -> Any {
    let trusted_ca = core::DataSource {
        specifier: Some(core::data_source::Specifier::InlineBytes(roots_pem.as_bytes().to_vec())),
        ..Default::default()
    };
    any::pack(&tls::Secret {
        name: resource_name::TRUST_BUNDLE.into(),
        r#type: Some(tls::secret::Type::ValidationContext(tls::CertificateValidationContext {
            trusted_ca: Some(trusted_ca),
            ..Default::default()
        })),
    })
}

/// The pair of a Secret, by the resource's name. Whom it may be sent to the server of resources knows.
pub(crate) fn client_certificate(snapshot: &Snapshot, name: &str) -> Option<Any> {
    let pair: &KeyPair = snapshot.client_certificates.get(&resource_name::parse_client_certificate(name)?)?;
    let inline = |text: &str| core::DataSource {
        specifier: Some(core::data_source::Specifier::InlineString(text.to_owned())),
        ..Default::default()
    };
    Some(any::pack(&tls::Secret {
        name: name.to_owned(),
        r#type: Some(tls::secret::Type::TlsCertificate(tls::TlsCertificate {
            certificate_chain: Some(inline(&pair.chain)),
            private_key: Some(inline(pair.expose_key())),
            ..Default::default()
        })),
    }))
}
