//! What policies are attached to, resolved.

use leno_manifest::{
    Manifest, ObjectKey, Typed,
    core::Service,
    leno::target::{TargetKind, TargetRef},
};
use leno_model::{ObjectRef, ServiceName};

use super::Remarks;
use crate::{Attachment, AttachmentReason, Note, NoteReason, Objects};

/// A service, or a port of it, that a policy is attached to.
pub(super) struct Target<'a> {
    /// The policy.
    pub(super) manifest: &'a Manifest,
    /// The service.
    pub(super) service: ServiceName,
    /// The port; all of them when `None`.
    pub(super) port: Option<u16>,
    reference: &'a TargetRef,
}

/// The targets that are there; of the others it is told that they are not.
pub(super) fn resolve<'a>(
    objects: &Objects,
    manifest: &'a Manifest,
    references: &'a [TargetRef],
    remarks: &mut Remarks,
) -> Vec<Target<'a>> {
    let mut found = Vec::new();
    for reference in references {
        match one(objects, manifest, reference) {
            Ok(target) => found.push(target),
            Err(message) => {
                remarks.notes.push(Note::new(manifest, NoteReason::Unresolved, message.clone()));
                tell(manifest, reference, AttachmentReason::TargetNotFound, message, remarks);
            }
        }
    }
    found
}

fn one<'a>(objects: &Objects, manifest: &'a Manifest, reference: &'a TargetRef) -> Result<Target<'a>, String> {
    let TargetRef { kind: TargetKind::Service, name, section_name, .. } = reference;
    let namespace = manifest.object.namespace();
    let service = ServiceName::new(namespace, name);
    let object = objects.find::<Service>(namespace, name);
    let object = object.ok_or_else(|| format!("it is attached to the Service {service}, which is not there"))?;
    let port = match section_name {
        None => None,
        Some(section) => {
            let mut ports = object.spec.ports.iter();
            let port = ports.find(|port| port.name == *section || port.port.to_string() == *section);
            let missing =
                || format!("it is attached to the port {section} of the Service {service}, which has none such");
            Some(port.ok_or_else(missing)?.port)
        }
    };
    Ok(Target { manifest, service, port, reference })
}

impl Target<'_> {
    /// What decides between policies of the same: the time when the policy was made; without one it is young.
    pub(super) fn age(&self) -> (bool, &str) {
        let made = self.manifest.object.metadata().creation_timestamp.as_deref();
        (made.is_none(), made.unwrap_or_default())
    }

    /// The target for people.
    pub(super) fn shown(&self) -> String {
        match self.port {
            Some(port) => format!("port {port} of Service {}", self.service),
            None => format!("Service {}", self.service),
        }
    }

    /// Tells how the policy stands towards it.
    pub(super) fn tell(&self, reason: AttachmentReason, message: String, remarks: &mut Remarks) {
        tell(self.manifest, self.reference, reason, message, remarks);
    }
}

fn tell(manifest: &Manifest, reference: &TargetRef, reason: AttachmentReason, message: String, remarks: &mut Remarks) {
    let TargetRef { kind: TargetKind::Service, name, section_name, .. } = reference;
    remarks.attachments.push(Attachment {
        policy: ObjectRef::from(&manifest.key()),
        target: ObjectRef::new("Service", manifest.object.namespace(), name),
        section: section_name.clone(),
        reason,
        message,
    });
}

/// The key of an object of this type.
pub(super) fn key<T: Typed>(object: &ObjectRef) -> ObjectKey {
    ObjectKey::new(T::KIND, &object.namespace, &object.name)
}
