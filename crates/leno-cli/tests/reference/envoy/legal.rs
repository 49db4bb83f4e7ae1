//! Legal values that a type alone does not tell: `legal.json`. In it a text `=NAME` stands for the message of that name,
//! `=secrets` for the secrets of a workload, `=certificate` for its certificate with the key and `=roots` for its roots.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::probe::pool;

static LEGAL: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(include_str!("legal.json")).expect("it is JSON"));

/// The certificate and roots of a workload, the same for everything that is tried.
static SECRETS: LazyLock<Value> = LazyLock::new(secrets);

/// A small legal message; most are legal when they are empty.
pub(crate) fn message(name: &str) -> Value {
    LEGAL["messages"].get(name).map_or_else(|| json!({}), filled)
}

/// What has to stand beside a field to make it legal, or to have something to act on.
pub(crate) fn beside(field: &str) -> Value {
    LEGAL["beside"].get(field).map_or_else(|| json!({}), filled)
}

/// Legal values of a field.
pub(crate) fn field(name: &str) -> Option<Vec<Value>> {
    let values = LEGAL["fields"].get(name)?.as_array().expect("a list of values");
    Some(values.iter().map(filled).collect())
}

/// Names in `legal.json` of messages and fields that there are not.
pub(crate) fn unknown() -> impl Iterator<Item = &'static str> {
    let of = |kind: &'static str| LEGAL[kind].as_object().into_iter().flat_map(Map::keys).map(String::as_str);
    let message = |name: &str| pool().get_message_by_name(name);
    let is_field = move |name: &str| {
        let parts = name.rsplit_once('.');
        parts.is_some_and(|(of, field)| message(of).is_some_and(|of| of.get_field_by_name(field).is_some()))
    };
    let messages = of("messages").filter(move |name| message(name).is_none());
    messages.chain(of("fields").chain(of("beside")).filter(move |name| !is_field(name)))
}

/// A value with everything in it that stands for something else.
fn filled(value: &Value) -> Value {
    match value {
        Value::String(text) => match text.strip_prefix('=') {
            Some("secrets") => SECRETS.clone(),
            Some("certificate") => SECRETS[0]["tls_certificate"].clone(),
            Some("roots") => SECRETS[1]["validation_context"]["trusted_ca"].clone(),
            Some(name) => {
                assert!(LEGAL["messages"].get(name).is_some(), "nothing is known of {name}");
                message(name)
            }
            None => value.clone(),
        },
        Value::Array(items) => items.iter().map(filled).collect(),
        Value::Object(fields) => fields.iter().map(|(key, inside)| (key.clone(), filled(inside))).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn secrets() -> Value {
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut params = rcgen::CertificateParams::default();
    let id = "spiffe://cluster.local/ns/a/sa/b".try_into().expect("a URI");
    params.subject_alt_names = vec![rcgen::SanType::URI(id)];
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let certificate = json!({ "inline_string": params.self_signed(&key).expect("a certificate").pem() });
    let pair = json!({ "certificate_chain": certificate, "private_key": { "inline_string": key.serialize_pem() } });
    json!([
        { "name": "svid", "tls_certificate": pair },
        { "name": "trust-bundle", "validation_context": { "trusted_ca": certificate } },
    ])
}
