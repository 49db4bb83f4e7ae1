//! What became of routes and policies ([RouteStatus]).
//!
//! [RouteStatus]: https://gateway-api.sigs.k8s.io/reference/spec/#routestatus

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reference::ParentReference;

/// The name under which Leno writes.
pub const CONTROLLER: &str = "leno.dev/mesh-controller";

/// `status` of a route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteStatus {
    /// What became of it at each parent.
    #[serde(default)]
    pub parents: Vec<RouteParentStatus>,
}

/// What became of a route at one parent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteParentStatus {
    /// The parent.
    pub parent_ref: ParentReference,
    /// Who says so.
    pub controller_name: String,
    /// What became of it.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}

/// `status` of a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyStatus {
    /// What became of it at each object that it is about.
    #[serde(default)]
    pub ancestors: Vec<PolicyAncestorStatus>,
}

/// What became of a policy at one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyAncestorStatus {
    /// The object.
    pub ancestor_ref: ParentReference,
    /// Who says so.
    pub controller_name: String,
    /// What became of it.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}

impl From<RouteStatus> for PolicyStatus {
    /// The same of a policy, whose ancestors stand in the place of a route's parents.
    fn from(status: RouteStatus) -> Self {
        let ancestor = |it: RouteParentStatus| PolicyAncestorStatus {
            ancestor_ref: it.parent_ref,
            controller_name: it.controller_name,
            conditions: it.conditions,
        };
        Self { ancestors: status.parents.into_iter().map(ancestor).collect() }
    }
}

/// One thing that is so, or is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What it is about: `Accepted`, `ResolvedRefs`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it is so.
    pub status: ConditionStatus,
    /// The generation of the object that this was said of.
    pub observed_generation: Option<i64>,
    /// Since when it is so (RFC 3339).
    pub last_transition_time: Option<String>,
    /// Why, in a word for programs.
    pub reason: String,
    /// Why, for people.
    #[serde(default)]
    pub message: String,
}

/// Whether something is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// It is.
    True,
    /// It is not.
    False,
    /// Nobody can tell.
    Unknown,
}
