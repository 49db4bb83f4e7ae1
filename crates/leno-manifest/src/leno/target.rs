//! What Leno's own policies are attached to ([policy attachment]) and whom they speak of.
//!
//! [policy attachment]: https://gateway-api.sigs.k8s.io/reference/policy-attachment/

use leno_model::ServiceAccountName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An object in the namespace of the policy, or a part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetRef {
    /// The object's API group: empty (or `core`) for a Service.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The object's kind.
    pub kind: TargetKind,
    /// The object's name, in the namespace of the policy.
    pub name: String,
    /// A part of it: of a Service a port, by name or number. All of it when not given.
    pub section_name: Option<String>,
}

/// The kind of object that a policy is attached to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TargetKind {
    /// A `v1` Service.
    #[default]
    Service,
}

impl TargetKind {
    /// The API group of the kind.
    #[must_use]
    pub fn group(self) -> &'static str {
        match self {
            Self::Service => "",
        }
    }
}

/// A service account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Caller {
    /// The service account's name.
    pub service_account: String,
    /// Its namespace; the policy's own when not given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
}

impl Caller {
    /// The service account, for a policy in this namespace.
    #[must_use]
    pub fn to_model(&self, namespace: &str) -> ServiceAccountName {
        let namespace = if self.namespace.is_empty() { namespace } else { &self.namespace };
        ServiceAccountName::new(namespace, &self.service_account)
    }
}
