//! How much of Secrets a control plane is told.

use std::{borrow::Cow, collections::BTreeSet};

use leno_manifest::{
    Object,
    annotation::CLIENT_CERTIFICATE,
    core::{Secret, secret},
    meta::ObjectMeta,
};
use leno_model::SecretName;

use crate::certificate;

/// What stands in place of a value without certificates, so that what asks for it can say so.
pub const HIDDEN: &str = "not for the control plane";

/// The Secret whose pair this object has callers show to servers.
#[must_use]
pub fn shown_to_servers(object: &Object) -> Option<SecretName> {
    let (certificate, namespace) = match object {
        Object::TrafficPolicy(it) => (it.spec.tls.as_ref()?.client_certificate.as_ref(), &it.metadata.namespace),
        Object::EgressPolicy(it) => (it.spec.tls.as_ref()?.client_certificate.as_ref(), &it.metadata.namespace),
        _ => return None,
    };
    Some(SecretName::new(namespace, certificate?.secret()?))
}

/// What a Secret says about being shown to servers.
fn consent(secret: &Secret) -> Option<(String, String)> {
    let said = secret.metadata.annotation_or_label(CLIENT_CERTIFICATE)?;
    Some((CLIENT_CERTIFICATE.to_owned(), said.to_owned()))
}

/// Whether a Secret is of the type of pairs, and says that policies may have its pair shown to servers.
pub(crate) fn may_be_shown(secret: &Secret) -> bool {
    let of_type = secret.type_.as_deref() == Some(secret::TLS);
    of_type && consent(secret).is_some_and(|(_, said)| said == "enabled")
}

/// What the control plane is to know of an object: of a Secret the certificates in it, which policies may name, and of one
/// that is `shown` to servers its key. All else of it, other keys above all, stays here, and so does what annotations repeat
/// of it.
#[must_use]
pub fn without_secrets<'a>(object: &'a Object, shown: &BTreeSet<SecretName>) -> Cow<'a, Object> {
    let Object::Secret(secret) = object else { return Cow::Borrowed(object) };
    let ObjectMeta { name, namespace, .. } = &secret.metadata;
    let is_shown = shown.contains(&SecretName::new(namespace, name)) && may_be_shown(secret);
    let value = |key: &str| {
        let value = secret.value(key)?;
        match key {
            // A key may stand beside the certificates.
            secret::TLS_CERTIFICATE if is_shown => certificate::chain(&value),
            secret::TLS_KEY if is_shown => String::from_utf8(value).ok(),
            _ => certificate::roots(&value),
        }
    };
    let text = |key: &str| (key.to_owned(), value(key).unwrap_or_else(|| HIDDEN.to_owned()));
    Cow::Owned(Object::from(Secret {
        metadata: ObjectMeta {
            name: name.clone(),
            namespace: namespace.clone(),
            annotations: consent(secret).into_iter().collect(),
            ..ObjectMeta::default()
        },
        type_: secret.type_.clone(),
        string_data: secret.keys().map(text).collect(),
        ..Secret::default()
    }))
}
