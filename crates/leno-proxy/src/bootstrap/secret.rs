//! The secrets of a file: the certificate `svid` and the roots `trust-bundle`, as mesh TLS refers to them, and those of
//! the file's own TLS.

use std::sync::Arc;

use leno_model::{Invalid, resource_name};
use leno_proto::v3::tls::{Secret, TlsCertificate, secret::Type};
use leno_tls::{PrivateKey, Svid, TrustBundle, context::Certificate};

use super::{Fixed, data_source, read::invalid, resource::within};
use crate::{
    config::{self, SlotState, convert, source::Fetch},
    identity::Credentials,
};

/// The certificate and roots of the mesh among these secrets; the others become known by their names.
pub(super) fn convert(secrets: Vec<Secret>, fixed: &mut Fixed) -> Result<Credentials, Vec<Invalid>> {
    let (mut certificate, mut roots, mut wrong) = (None, None, Vec::new());
    for (index, secret) in secrets.into_iter().enumerate() {
        let path = format!("static_resources.secrets[{index}]");
        let taken = match (secret.name.as_str(), secret.r#type) {
            (resource_name::SVID, Some(Type::TlsCertificate(proto))) => {
                pair(&format!("{path}.tls_certificate"), proto).map(|pair| certificate = Some(pair))
            }
            (resource_name::TRUST_BUNDLE, Some(Type::ValidationContext(context))) => {
                let path = format!("{path}.validation_context.trusted_ca");
                data_source::text(&path, context.trusted_ca).map(|pem| roots = Some((path, pem)))
            }
            (resource_name::SVID | resource_name::TRUST_BUNDLE, _) => {
                let expected = "svid with tls_certificate, or trust-bundle with validation_context";
                Err(invalid(&format!("{path}.name"), "of another kind", expected))
            }
            (_, kind) => {
                wrong.extend(take(&path, &Secret { r#type: kind, ..secret }, fixed));
                continue;
            }
        };
        wrong.extend(taken.err().map(|error| *error));
    }
    let credentials = Credentials::default();
    match (certificate, roots) {
        (Some(svid), Some((path, pem))) => {
            match Certificate::of(&svid) {
                Ok(made) => {
                    let slot = fixed.registry.secret(resource_name::SVID, Fetch::default());
                    slot.set(Arc::new(config::Secret::Certificate(made)));
                    fixed.secrets.push(slot);
                }
                Err(error) => wrong.push(*invalid("static_resources.secrets", "unusable", error.to_string())),
            }
            let bundle = TrustBundle::from_pem(svid.id().trust_domain.clone(), &pem);
            let installed = bundle.and_then(|bundle| credentials.install(svid, bundle));
            wrong.extend(installed.err().map(|error| *invalid(&path, "unusable", format!("roots in PEM: {error}"))));
        }
        (None, None) => {}
        (Some(_), None) | (None, Some(_)) => {
            wrong.push(*invalid("static_resources.secrets", "incomplete", "both svid and trust-bundle"));
        }
    }
    if wrong.is_empty() { Ok(credentials) } else { Err(wrong) }
}

/// A secret of the file's own TLS.
fn take(path: &str, proto: &Secret, fixed: &mut Fixed) -> Vec<Invalid> {
    let slot = fixed.registry.secret(&proto.name, Fetch::default());
    if proto.name.is_empty() || slot.state() != SlotState::Pending {
        let expected = "a name that no other secret has";
        return vec![*invalid(&format!("{path}.name"), format!("{:?}", proto.name), expected)];
    }
    let made = convert::secret(proto, &slot, &mut fixed.registry, convert::Watch::WhenAsked);
    if made.is_err() {
        // It is known, though not right: what refers to it is not wrong for that.
        slot.set_absent();
    }
    fixed.secrets.push(slot);
    made.err().map(|errors| within(path, errors)).unwrap_or_default()
}

/// The certificate with its key.
fn pair(path: &str, proto: TlsCertificate) -> Result<Svid, Box<Invalid>> {
    let chain = data_source::text(&format!("{path}.certificate_chain"), proto.certificate_chain)?;
    let key = data_source::text(&format!("{path}.private_key"), proto.private_key)?;
    let unusable = |field: &str, error: leno_tls::TlsError| {
        invalid(&format!("{path}.{field}"), "unusable", format!("PEM of a SPIFFE identity: {error}"))
    };
    let key = PrivateKey::from_pem(&key).map_err(|error| unusable("private_key", error))?;
    Svid::new(&key, &chain).map_err(|error| unusable("certificate_chain", error))
}
