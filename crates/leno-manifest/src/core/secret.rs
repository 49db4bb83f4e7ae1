//! `v1` Secret.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{base64, meta::ObjectMeta};

/// A Kubernetes Secret: values that are not shown. After reading, `string_data` is merged into `data`, as the API
/// server does it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Secret {
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// What sort of secret it is, e.g. `Opaque`.
    #[serde(rename = "type")]
    pub type_: Option<String>,
    /// Its values, in base64.
    #[serde(default)]
    pub data: BTreeMap<String, String>,
    /// Its values as they are; they win over those of `data`.
    #[serde(default)]
    pub string_data: BTreeMap<String, String>,
    /// Whether it may not be changed.
    pub immutable: Option<bool>,
}

/// The type of Secrets that have a certificate and its key.
pub const TLS: &str = "kubernetes.io/tls";
/// The key of the certificate chain in such a Secret, the leaf first, in PEM.
pub const TLS_CERTIFICATE: &str = "tls.crt";
/// The key of the private key in it, in PEM.
pub const TLS_KEY: &str = "tls.key";

impl Secret {
    /// The bytes of a value.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<Vec<u8>> {
        if let Some(text) = self.string_data.get(key) {
            return Some(text.clone().into_bytes());
        }
        base64::decode(self.data.get(key)?)
    }

    /// Every key, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        let extra = self.string_data.keys().filter(|key| !self.data.contains_key(*key));
        self.data.keys().chain(extra).map(String::as_str)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.keys().collect();
        f.debug_struct("Secret").field("metadata", &self.metadata).field("keys", &keys).finish_non_exhaustive()
    }
}
