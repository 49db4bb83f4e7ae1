//! What is told of an object at a parent of it: the two conditions that routes and BackendTLSPolicies have there.

use leno_manifest::{
    Manifest,
    gateway::{
        ParentReference,
        status::{CONTROLLER, Condition, ConditionStatus, RouteParentStatus},
    },
};

/// How a condition stands: its status, its reason and a text for people.
pub(super) type Standing = (ConditionStatus, &'static str, String);

/// The standing of `ResolvedRefs`: `broken` is the first reference that leads nowhere.
pub(super) fn resolved(broken: Option<(&'static str, String)>) -> Standing {
    match broken {
        Some((reason, text)) => (ConditionStatus::False, reason, text),
        None => (ConditionStatus::True, "ResolvedRefs", String::new()),
    }
}

/// `status` of the object of a manifest at this parent.
pub(super) fn at(
    manifest: &Manifest,
    parent_ref: ParentReference,
    accepted: Standing,
    resolved: Standing,
) -> RouteParentStatus {
    let condition = |kind: &str, (status, reason, message): Standing| Condition {
        kind: kind.into(),
        status,
        observed_generation: manifest.object.metadata().generation,
        last_transition_time: None,
        reason: reason.into(),
        message,
    };
    RouteParentStatus {
        parent_ref,
        controller_name: CONTROLLER.into(),
        conditions: vec![condition("Accepted", accepted), condition("ResolvedRefs", resolved)],
    }
}
