//! `v1` ConfigMap.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::meta::ObjectMeta;

/// A Kubernetes ConfigMap: values for the environment of containers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMap {
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// Its values.
    #[serde(default)]
    pub data: BTreeMap<String, String>,
    /// Values in base64; never part of an environment, as on Kubernetes.
    #[serde(default)]
    pub binary_data: BTreeMap<String, String>,
    /// Whether it may not be changed.
    pub immutable: Option<bool>,
}
