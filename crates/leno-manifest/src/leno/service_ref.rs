//! Services that policies name.

use leno_model::ServiceName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A port of a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceRef {
    /// The Service's name.
    pub name: String,
    /// Its namespace; the policy's own when not given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// The number of its port.
    #[schemars(range(min = 1))]
    pub port: u16,
}

impl ServiceRef {
    /// The Service and the port, for a policy in this namespace.
    #[must_use]
    pub fn to_model(&self, namespace: &str) -> (ServiceName, u16) {
        (ServiceName::new(given_or(&self.namespace, namespace), &self.name), self.port)
    }
}

/// The namespace that is given, or the policy's own.
pub(super) fn given_or<'a>(given: &'a str, own: &'a str) -> &'a str {
    if given.is_empty() { own } else { given }
}
