//! EgressPolicies.

use std::collections::BTreeSet;

use leno_manifest::{
    core::{Pod, ServiceAccount},
    leno::{EgressPolicy as PolicyObject, MeshConfig, mesh_config},
};
use leno_model::{ObjectRef, mesh::OutboundPolicy, policy::EgressPolicy};

use super::{Remarks, tls};
use crate::{Note, NoteReason, Objects};

/// Every policy, in the order of their names.
pub(super) fn all(objects: &Objects, remarks: &mut Remarks) -> Vec<EgressPolicy> {
    let mesh = objects.find::<MeshConfig>("", mesh_config::NAME).map(MeshConfig::to_model).unwrap_or_default();
    let mut all = Vec::new();
    for (manifest, object) in objects.all::<PolicyObject>() {
        let (spec, namespace) = (&object.spec, &object.metadata.namespace);
        let accounts = accounts(objects, namespace);
        for account in spec.service_accounts.iter().filter(|name| !accounts.contains(name.as_str())) {
            let text = format!("it names the service account {namespace}/{account}, which is not there");
            remarks.notes.push(Note::new(manifest, NoteReason::Unresolved, text));
        }
        let limits =
            spec.retries.is_some() || spec.timeouts.is_some() || spec.connections.is_some() || spec.tls.is_some();
        let mut settings = spec.settings();
        // What is wrong with it is told in any case; at a policy there is no target that it could be told of.
        settings.tls = spec.tls().map(|it| tls::said(objects, manifest, &it, remarks).0);
        if mesh.outbound_policy == OutboundPolicy::AllowAny && !limits {
            let text = "it changes nothing while MeshConfig's outboundPolicy is AllowAny: everything may be reached";
            remarks.notes.push(Note::new(manifest, NoteReason::NoEffect, text));
        }
        all.push(EgressPolicy {
            origin: ObjectRef::from(&manifest.key()),
            accounts: spec.service_accounts.clone(),
            ports: spec.ports(),
            hosts: spec.hosts(),
            blocks: spec.blocks(),
            requests: spec.requests(),
            settings,
            tls_port: spec.tls.as_ref().and_then(|tls| tls.port),
        });
    }
    note_plaintext(objects, &all, remarks);
    all
}

/// Policies that have a host spoken to in plaintext which another one, less exact or by a later name, has spoken to in TLS.
fn note_plaintext(objects: &Objects, policies: &[EgressPolicy], remarks: &mut Remarks) {
    for (manifest, _) in objects.all::<PolicyObject>() {
        let origin = ObjectRef::from(&manifest.key());
        let Some(plain) = policies.iter().find(|it| it.origin == origin && it.settings.tls.is_none()) else { continue };
        let protects = |other: &&EgressPolicy| other.settings.tls.is_some() && other.overlaps(plain);
        for other in policies.iter().filter(protects) {
            let text = format!(
                "{} has TLS spoken to hosts that it names, too: where both name the same that one decides",
                other.origin
            );
            remarks.notes.push(Note::new(manifest, NoteReason::Conflict, text));
        }
    }
}

/// Every service account of a namespace that there is an object of, or that a pod runs as; `default` in any case.
fn accounts<'a>(objects: &'a Objects, namespace: &str) -> BTreeSet<&'a str> {
    let written = objects.all::<ServiceAccount>().filter(|(_, it)| it.metadata.namespace == namespace);
    let used = objects.all::<Pod>().filter(|(_, pod)| pod.metadata.namespace == namespace);
    let names = written.map(|(_, it)| it.metadata.name.as_str()).chain(used.map(|(_, pod)| pod.spec.account()));
    names.chain(["default"]).collect()
}
