//! How policies stand towards what they are attached to, as their `status` shows it ([PolicyStatus]).
//!
//! [PolicyStatus]: https://gateway-api.sigs.k8s.io/reference/spec/#policystatus

use std::collections::BTreeMap;

use leno_manifest::{Kind, Object, ObjectKey};
use leno_model::ObjectRef;
use leno_source::{Attachment, AttachmentReason};
use serde_json::{Value, json};

use super::clock;

/// Who writes these, as Gateway API names controllers.
const CONTROLLER: &str = "leno.dev/control";

/// What is told of one target, and since when it is so (RFC 3339).
#[derive(Clone, Debug)]
struct Standing {
    attachment: Attachment,
    since: String,
}

/// How every policy stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standings(BTreeMap<ObjectRef, Vec<Standing>>);

impl Standings {
    /// Whether this is what is known already.
    pub(crate) fn are(&self, attachments: &[Attachment]) -> bool {
        let known: usize = self.0.values().map(Vec::len).sum();
        let has = |it: &Attachment| {
            self.0.get(&it.policy).is_some_and(|known| known.iter().any(|standing| standing.attachment == *it))
        };
        known == attachments.len() && attachments.iter().all(has)
    }

    /// Takes what holds now; what was so before has been so since then.
    pub(crate) fn replace(&mut self, attachments: Vec<Attachment>) {
        let before = std::mem::take(&mut self.0);
        for attachment in attachments {
            let known = before.get(&attachment.policy).into_iter().flatten();
            let mut same = known.filter(|it| it.attachment.is_as(&attachment));
            let since = same.next().map_or_else(clock::now_text, |it| it.since.clone());
            self.0.entry(attachment.policy.clone()).or_default().push(Standing { attachment, since });
        }
    }

    /// The object as JSON, with its status when it is a policy. (What is to be said of BackendTLSPolicies is more, and
    /// stands in the object already.)
    pub(crate) fn json(&self, key: &ObjectKey, object: &Object) -> Value {
        let mut json = object.to_json();
        let own = matches!(object, Object::BackendTlsPolicy(_));
        if let Some(standings) = self.0.get(&ObjectRef::from(key)).filter(|_| !own) {
            let generation = object.metadata().generation;
            let ancestors: Vec<_> = standings.iter().map(|standing| standing.ancestor(generation)).collect();
            json["status"] = json!({ "ancestors": ancestors });
        }
        json
    }
}

impl Standing {
    /// One entry of `status.ancestors`. `generation` is that of the policy.
    fn ancestor(&self, generation: Option<i64>) -> Value {
        let Attachment { target, section, reason, message, .. } = &self.attachment;
        let kind = Kind::ALL.iter().find(|kind| kind.unique_name() == target.kind);
        let (group, kind) = kind.map_or(("", target.kind.as_str()), |kind| (kind.group(), kind.as_str()));
        let mut reference = json!({ "group": group, "kind": kind, "namespace": target.namespace, "name": target.name });
        if let Some(section) = section {
            reference["sectionName"] = section.clone().into();
        }
        let status = if *reason == AttachmentReason::Accepted { "True" } else { "False" };
        let mut condition = json!({
            "type": "Accepted", "status": status, "reason": reason.as_str(), "message": message,
            "lastTransitionTime": self.since,
        });
        if let Some(generation) = generation {
            condition["observedGeneration"] = generation.into();
        }
        json!({ "ancestorRef": reference, "controllerName": CONTROLLER, "conditions": [condition] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attachment(reason: AttachmentReason, message: &str) -> Attachment {
        Attachment {
            policy: ObjectRef::new("TrafficPolicy", "shop", "cart"),
            target: ObjectRef::new("Service", "shop", "cart"),
            section: Some("http".into()),
            reason,
            message: message.into(),
        }
    }

    #[test]
    fn a_policy_shows_how_it_stands_and_since_when() {
        let mut standings = Standings::default();
        let accepted = attachment(AttachmentReason::Accepted, "in force");
        standings.replace(vec![accepted.clone()]);
        assert!(standings.are(std::slice::from_ref(&accepted)) && !standings.are(&[]));
        let mut policy = leno_manifest::leno::TrafficPolicy::default();
        policy.metadata.name = "cart".into();
        policy.metadata.namespace = "shop".into();
        policy.metadata.generation = Some(2);
        let object = Object::from(policy);
        let condition = |standings: &Standings| {
            standings.json(&object.key(), &object)["status"]["ancestors"][0]["conditions"][0].clone()
        };
        let first = condition(&standings);
        assert_eq!((&first["status"], &first["observedGeneration"]), (&json!("True"), &json!(2)));
        for standing in standings.0.values_mut().flatten() {
            standing.since = "2026-01-01T00:00:00Z".into();
        }
        standings.replace(vec![attachment(AttachmentReason::Accepted, "in force still")]);
        assert_eq!(condition(&standings)["lastTransitionTime"], "2026-01-01T00:00:00Z");
        standings.replace(vec![attachment(AttachmentReason::Conflicted, "another wins")]);
        let last = condition(&standings);
        assert_ne!(last["lastTransitionTime"], "2026-01-01T00:00:00Z");
        assert_eq!((&last["status"], &last["reason"]), (&json!("False"), &json!("Conflicted")));
    }

    #[test]
    fn a_route_is_shown_with_its_group() {
        let route = ObjectRef::new("TCPRoute.gateway.networking.k8s.io", "shop", "cart");
        let attachment = Attachment { target: route, ..attachment(AttachmentReason::Accepted, "in force") };
        let since = "2026-01-01T00:00:00Z".to_owned();
        let ancestor = Standing { attachment, since }.ancestor(None);
        let expected = json!({
            "group": "gateway.networking.k8s.io", "kind": "TCPRoute", "namespace": "shop", "name": "cart",
            "sectionName": "http",
        });
        assert_eq!(ancestor["ancestorRef"], expected);
    }
}
