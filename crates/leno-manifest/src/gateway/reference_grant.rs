//! `gateway.networking.k8s.io` ReferenceGrant ([v1beta1]).
//!
//! [v1beta1]: https://gateway-api.sigs.k8s.io/reference/spec/#referencegrant

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::meta::ObjectMeta;

/// Lets objects of other namespaces refer to objects of this one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReferenceGrant {
    /// Its metadata; its namespace is that of what may be referred to.
    pub metadata: ObjectMeta,
    /// Who may refer to what.
    #[serde(default)]
    pub spec: ReferenceGrantSpec,
}

/// `spec` of a [`ReferenceGrant`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReferenceGrantSpec {
    /// Who may refer; one of these.
    pub from: Vec<ReferenceGrantFrom>,
    /// To what; one of these.
    pub to: Vec<ReferenceGrantTo>,
}

/// Objects that may refer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReferenceGrantFrom {
    /// Their API group.
    pub group: String,
    /// Their kind.
    pub kind: String,
    /// Their namespace.
    pub namespace: String,
}

/// Objects that may be referred to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReferenceGrantTo {
    /// Their API group.
    pub group: String,
    /// Their kind.
    pub kind: String,
    /// The one object; all of the kind when not given.
    pub name: Option<String>,
}

impl ReferenceGrant {
    /// Whether it lets objects of this group, kind and namespace refer to this Service.
    #[must_use]
    pub fn lets_service(&self, group: &str, kind: &str, namespace: &str, service: &str) -> bool {
        let from = |it: &ReferenceGrantFrom| it.group == group && it.kind == kind && it.namespace == namespace;
        let to = |it: &ReferenceGrantTo| {
            it.group.is_empty() && it.kind == "Service" && it.name.as_deref().is_none_or(|name| name == service)
        };
        self.spec.from.iter().any(from) && self.spec.to.iter().any(to)
    }
}
