//! Where the variables of a container's environment come from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One variable. `$(NAME)` in its value stands for an earlier variable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvVar {
    /// Its name.
    pub name: String,
    /// Its value; empty when neither this nor `valueFrom` is given.
    pub value: Option<String>,
    /// Where its value comes from.
    pub value_from: Option<EnvVarSource>,
}

/// Where the value of a variable comes from; exactly one field is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvVarSource {
    /// A field of the pod.
    pub field_ref: Option<ObjectFieldSelector>,
    /// A value of a ConfigMap.
    pub config_map_key_ref: Option<KeySelector>,
    /// A value of a Secret.
    pub secret_key_ref: Option<KeySelector>,
    /// A resource limit or request of a container.
    pub resource_field_ref: Option<ResourceFieldSelector>,
}

/// A field of the pod, e.g. `metadata.name`, `status.podIP`, `metadata.labels['app']`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectFieldSelector {
    /// The API version that the path is of; `v1`.
    pub api_version: Option<String>,
    /// The path.
    pub field_path: String,
}

/// A value of a ConfigMap or Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeySelector {
    /// The ConfigMap or Secret, in the pod's namespace.
    #[serde(default)]
    pub name: String,
    /// The key of the value.
    pub key: String,
    /// Whether the container starts without it when it is missing.
    pub optional: Option<bool>,
}

/// A resource limit or request of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceFieldSelector {
    /// The container; this one when not given.
    pub container_name: Option<String>,
    /// Which, e.g. `limits.cpu`.
    pub resource: String,
    /// The unit of the value.
    pub divisor: Option<crate::meta::IntOrString>,
}

/// Every value of a ConfigMap or Secret as variables; exactly one of the references is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvFromSource {
    /// Put before every name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// The ConfigMap.
    pub config_map_ref: Option<EnvSourceRef>,
    /// The Secret.
    pub secret_ref: Option<EnvSourceRef>,
}

/// A whole ConfigMap or Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvSourceRef {
    /// Its name, in the pod's namespace.
    #[serde(default)]
    pub name: String,
    /// Whether the container starts without it when it is missing.
    pub optional: Option<bool>,
}
