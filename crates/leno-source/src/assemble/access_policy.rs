//! AccessPolicies, resolved.
//!
//! Where a target is not there the outcome is the narrower one: a policy all of whose targets are missing protects nobody
//! and allows nothing; one of whose targets some are there is in force for those.

use leno_manifest::{
    Manifest,
    core::{Pod, Service},
    leno::{
        AccessPolicy as PolicyObject,
        access_policy::{AccessPolicySpec, Action, requirements},
    },
};
use leno_model::{
    ObjectRef, Protocol,
    policy::{
        AccessPolicy, Authorizer,
        access::{AccessAction, AccessTarget},
    },
};

use super::{
    Remarks,
    target::{self, Target},
};
use crate::{AttachmentReason, Note, NoteReason, Objects};

/// Every policy, in the order of their names.
pub(super) fn all(objects: &Objects, remarks: &mut Remarks) -> Vec<AccessPolicy> {
    let mut all = Vec::new();
    for (manifest, object) in objects.all::<PolicyObject>() {
        let spec = &object.spec;
        let targets = targets(objects, manifest, object, remarks);
        let Some(action) = spec.action(&object.metadata.namespace).filter(|_| !targets.is_empty()) else {
            continue;
        };
        if let AccessAction::External(authorizer) = &action {
            note_missing(objects, manifest, authorizer, remarks);
        }
        all.push(AccessPolicy {
            origin: ObjectRef::from(&manifest.key()),
            targets,
            action,
            dry_run: spec.dry_run,
            tokens: spec.tokens(&object.metadata.namespace),
            rules: spec.rules(&object.metadata.namespace),
        });
    }
    all
}

/// A remark on a service that is to be asked and is not there.
fn note_missing(objects: &Objects, manifest: &Manifest, authorizer: &Authorizer, remarks: &mut Remarks) {
    let Authorizer { service, port, .. } = authorizer;
    let object = objects.find::<Service>(&service.namespace, &service.name);
    let mut ports = object.into_iter().flat_map(|object| &object.spec.ports);
    if !ports.any(|known| known.port == *port) {
        let text = format!("spec.external finds nobody to ask: there is no Service {service} with a port {port}");
        remarks.notes.push(Note::new(manifest, NoteReason::Unresolved, text));
    }
}

fn targets(objects: &Objects, manifest: &Manifest, object: &PolicyObject, remarks: &mut Remarks) -> Vec<AccessTarget> {
    let (spec, namespace) = (&object.spec, &object.metadata.namespace);
    if !spec.target_refs.is_empty() {
        let found = target::services(objects, manifest, &spec.targets(), remarks);
        return found.into_iter().map(|target| service(objects, spec, target, remarks)).collect();
    }
    let Some(selector) = &spec.selector else {
        return vec![AccessTarget::Namespace(namespace.clone())];
    };
    let mut pods = objects.all::<Pod>().filter(|(_, pod)| pod.metadata.namespace == *namespace);
    if !pods.any(|(_, pod)| selector.fits(&pod.metadata.labels)) {
        let text = "it changes nothing: spec.selector fits no pod of its namespace";
        remarks.notes.push(Note::new(manifest, NoteReason::Unresolved, text));
    }
    vec![AccessTarget::Labels(namespace.clone(), requirements(selector))]
}

fn service(objects: &Objects, spec: &AccessPolicySpec, target: Target<'_>, remarks: &mut Remarks) -> AccessTarget {
    let object = objects.find::<Service>(&target.service.namespace, &target.service.name);
    let ports = object.into_iter().flat_map(|object| &object.spec.ports);
    let mut ports = ports.filter(|port| target.port.is_none_or(|own| own == port.port)).peekable();
    let bytes = |app: Option<&str>, name: &str| Protocol::declared(app, name) == Protocol::Tcp;
    let only_bytes = ports.peek().is_some() && ports.all(|port| bytes(port.app_protocol.as_deref(), &port.name));
    let requests = spec.rules.iter().flat_map(|rule| &rule.to).any(|it| it.request() != Default::default());
    if only_bytes && requests {
        let text = match spec.action.unwrap_or_default() {
            Action::Deny | Action::External => "its rules about requests refuse connections as a whole",
            Action::Allow | Action::Audit => "its rules about requests never fit",
        };
        let text = format!("{} carries bytes: {text}", target.place.shown);
        remarks.notes.push(Note::new(target.place.manifest, NoteReason::NoEffect, text));
    }
    target.place.tell(AttachmentReason::Accepted, format!("in force for {}", target.place.shown), remarks);
    AccessTarget::Service(target.service, target.port)
}
