//! The trust bundle, as a secret (SDS) brings it.

use leno_proto::v3::{core::data_source::Specifier, tls};
use leno_tls::TrustBundle;

use crate::identity::Credentials;

/// Trusts the roots of a validation context from now on.
///
/// # Errors
/// Why it is none.
pub fn install(credentials: &Credentials, secret: &tls::Secret) -> Result<(), String> {
    let Some(tls::secret::Type::ValidationContext(context)) = &secret.r#type else {
        return Err(format!("secret {}: expected a validation_context", secret.name));
    };
    let source = context.trusted_ca.as_ref().and_then(|source| source.specifier.as_ref());
    let pem = match source {
        Some(Specifier::InlineBytes(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        Some(Specifier::InlineString(text)) => text.clone(),
        Some(Specifier::Filename(_) | Specifier::EnvironmentVariable(_)) | None => {
            return Err(format!("secret {}: validation_context.trusted_ca must be inline", secret.name));
        }
    };
    // Without a certificate there is no stream that could have brought this.
    let Some(identity) = credentials.identity() else {
        return Ok(());
    };
    let domain = identity.svid().id().trust_domain.clone();
    let bundle = TrustBundle::from_pem(domain, &pem)
        .map_err(|error| format!("secret {}: validation_context.trusted_ca: {error}", secret.name))?;
    credentials.install_bundle(bundle);
    Ok(())
}
