//! References to other objects.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::GROUP;

/// What a route attaches to ([ParentReference]). In a mesh that is a Service: group `""`, kind `Service`.
///
/// [ParentReference]: https://gateway-api.sigs.k8s.io/reference/spec/#parentreference
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParentReference {
    /// The API group; `""` is Kubernetes' own, with the Services.
    #[serde(default = "gateway_group")]
    pub group: String,
    /// The kind.
    #[serde(default = "gateway_kind")]
    pub kind: String,
    /// The namespace; the route's own when not given. A route to a Service of another namespace is for the clients of
    /// the route's own namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
    /// The name of a port; every port when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section_name: Option<String>,
    /// The number of a port; every port when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

fn gateway_group() -> String {
    GROUP.into()
}

fn gateway_kind() -> String {
    "Gateway".into()
}

impl ParentReference {
    /// Whether it names a Service.
    #[must_use]
    pub fn is_service(&self) -> bool {
        self.group.is_empty() && self.kind == "Service"
    }
}

/// Where requests go ([BackendObjectReference]).
///
/// [BackendObjectReference]: https://gateway-api.sigs.k8s.io/reference/spec/#backendobjectreference
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackendReference {
    /// The API group; `""` is Kubernetes' own.
    #[serde(default)]
    pub group: String,
    /// The kind; only a Service can be reached.
    #[serde(default = "service_kind")]
    pub kind: String,
    /// The name.
    pub name: String,
    /// The namespace; the route's own when not given. Another one has to allow it by a ReferenceGrant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The service's port; must be given for a Service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

fn service_kind() -> String {
    "Service".into()
}

impl BackendReference {
    /// Whether it names a Service.
    #[must_use]
    pub fn is_service(&self) -> bool {
        self.group.is_empty() && self.kind == "Service"
    }
}

/// A share of the connections ([BackendRef]).
///
/// [BackendRef]: https://gateway-api.sigs.k8s.io/reference/spec/#backendref
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackendShare {
    /// Where they go.
    #[serde(flatten)]
    pub backend: BackendReference,
    /// The share in relation to the others'; 0 sends it nothing.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub weight: u32,
}

pub(super) fn one() -> u32 {
    1
}

/// An object of the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocalReference {
    /// The API group.
    pub group: String,
    /// The kind.
    pub kind: String,
    /// The name.
    pub name: String,
}
