//! Secrets. The only one that is sent is public: the roots.

use leno_model::resource_name;
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
