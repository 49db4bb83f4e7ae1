//! What became of routes and BackendTLSPolicies: the control plane says it, `status` of the objects shows it, with the times since when.

use std::collections::BTreeMap;

use leno_manifest::{
    Object, ObjectKey,
    gateway::{
        RouteStatus,
        status::{Condition, PolicyStatus, RouteParentStatus},
    },
};
use leno_model::ObjectRef;
use leno_source::RouteCondition;

/// What became of each of them, as it is shown.
#[derive(Debug, Default)]
pub(crate) struct RouteStatuses(BTreeMap<ObjectRef, RouteStatus>);

impl RouteStatuses {
    /// Takes over what the control plane says now. A condition that says the same as before keeps its time.
    pub(crate) fn update(&mut self, told: Vec<RouteCondition>, now: &str) {
        let before = std::mem::take(&mut self.0);
        for RouteCondition { object, mut status } in told {
            let known = before.get(&object).map_or(&[][..], |status| &status.parents);
            for parent in &mut status.parents {
                let since = since(known, parent);
                for condition in &mut parent.conditions {
                    condition.last_transition_time = since(condition).or_else(|| Some(now.to_owned()));
                }
            }
            self.0.insert(object, status);
        }
    }

    /// Writes what became of an object into it; nothing else may stand there.
    pub(crate) fn show(&self, key: &ObjectKey, object: &mut Object) {
        let status = || self.0.get(&ObjectRef::from(key)).cloned();
        match object {
            Object::HttpRoute(route) => route.status = status(),
            Object::GrpcRoute(route) => route.status = status(),
            Object::TlsRoute(route) => route.status = status(),
            Object::GatewayTcpRoute(route) => route.status = status(),
            Object::BackendTlsPolicy(policy) => policy.status = status().map(PolicyStatus::from),
            _ => {}
        }
    }
}

/// Since when a condition at this parent is as it is, if it was so before.
fn since(known: &[RouteParentStatus], parent: &RouteParentStatus) -> impl Fn(&Condition) -> Option<String> + use<> {
    let earlier = known.iter().find(|known| known.parent_ref == parent.parent_ref);
    let earlier = earlier.map_or_else(Vec::new, |known| known.conditions.clone());
    move |condition| {
        let same = |it: &&Condition| it.kind == condition.kind && it.status == condition.status;
        earlier.iter().find(same)?.last_transition_time.clone()
    }
}

#[cfg(test)]
mod tests {
    use leno_manifest::{Kind, gateway::status::ConditionStatus};

    use super::*;

    fn told(status: ConditionStatus) -> Vec<RouteCondition> {
        let condition = Condition {
            kind: "Accepted".into(),
            status,
            observed_generation: Some(1),
            last_transition_time: None,
            reason: "Accepted".into(),
            message: String::new(),
        };
        let parent_ref = serde_json::from_value(serde_json::json!({"group": "", "kind": "Service", "name": "cart"}));
        let parent = RouteParentStatus {
            parent_ref: parent_ref.unwrap(),
            controller_name: "leno.dev/mesh-controller".into(),
            conditions: vec![condition],
        };
        let object = ObjectRef::new("HTTPRoute", "shop", "cart");
        vec![RouteCondition { object, status: RouteStatus { parents: vec![parent] } }]
    }

    #[test]
    fn a_condition_keeps_its_time_until_it_changes() {
        let mut statuses = RouteStatuses::default();
        let key = ObjectKey::new(Kind::HttpRoute, "shop", "cart");
        let mut object = Object::from(leno_manifest::gateway::HttpRoute::default());
        let mut time = |statuses: &RouteStatuses| {
            statuses.show(&key, &mut object);
            let json = object.to_json();
            json["status"]["parents"][0]["conditions"][0]["lastTransitionTime"].as_str().map(str::to_owned)
        };
        statuses.update(told(ConditionStatus::True), "1");
        statuses.update(told(ConditionStatus::True), "2");
        assert_eq!(time(&statuses).as_deref(), Some("1"));
        statuses.update(told(ConditionStatus::False), "3");
        assert_eq!(time(&statuses).as_deref(), Some("3"));
        statuses.update(Vec::new(), "4");
        assert_eq!(time(&statuses), None);
    }
}
