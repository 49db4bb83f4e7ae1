//! What policies are attached to, resolved.

use leno_manifest::{
    Kind, Manifest, Object, ObjectKey,
    core::Service,
    leno::target::{Carries, TargetRef},
};
use leno_model::{ObjectRef, ServiceName};

use super::Remarks;
use crate::{Attachment, AttachmentReason, Note, NoteReason, Objects};

/// Why a policy is not right even where it is in force: the reason of the condition `Accepted`, and a text for people.
pub(super) type Flaw = (AttachmentReason, String);

/// Where a policy stands.
pub(super) struct Place<'a> {
    /// The policy.
    pub(super) manifest: &'a Manifest,
    /// What it is attached to, for people.
    pub(super) shown: String,
    /// Why it is not right even where it is in force.
    pub(super) flaw: Option<Flaw>,
    target: ObjectRef,
    section: Option<String>,
}

/// A service, or a port of it, that a policy is attached to.
pub(super) struct Target<'a> {
    pub(super) place: Place<'a>,
    /// The service.
    pub(super) service: ServiceName,
    /// The port; all of them when `None`.
    pub(super) port: Option<u16>,
}

/// A route, or a rule of it, that a policy is attached to.
pub(super) struct RouteTarget<'a> {
    pub(super) place: Place<'a>,
    /// The route.
    pub(super) route: ObjectRef,
    /// The rule's name; all of them when `None`.
    pub(super) rule: Option<String>,
}

/// The services that are there of those that a policy is attached to; of the others it is told that they are not.
pub(super) fn services<'a>(
    objects: &Objects,
    manifest: &'a Manifest,
    references: &[TargetRef],
    remarks: &mut Remarks,
) -> Vec<Target<'a>> {
    let references = references.iter().filter(|it| it.kind.carries() == Carries::Anything);
    found(manifest, references, remarks, |reference| service(objects, manifest, reference))
}

/// The same of routes.
pub(super) fn routes<'a>(
    objects: &Objects,
    manifest: &'a Manifest,
    references: &[TargetRef],
    remarks: &mut Remarks,
) -> Vec<RouteTarget<'a>> {
    let references = references.iter().filter(|it| it.kind.carries() != Carries::Anything);
    found(manifest, references, remarks, |reference| route(objects, manifest, reference))
}

fn found<'r, T>(
    manifest: &Manifest,
    references: impl Iterator<Item = &'r TargetRef>,
    remarks: &mut Remarks,
    find: impl Fn(&'r TargetRef) -> Result<T, String>,
) -> Vec<T> {
    let mut targets = Vec::new();
    for reference in references {
        match find(reference) {
            Ok(target) => targets.push(target),
            Err(message) => {
                remarks.notes.push(Note::new(manifest, NoteReason::Unresolved, message.clone()));
                let target = ObjectKey::new(reference.kind.kind(), manifest.object.namespace(), &reference.name);
                let place = Place::of(manifest, ObjectRef::from(&target), reference.section_name.clone());
                place.tell(AttachmentReason::TargetNotFound, message, remarks);
            }
        }
    }
    targets
}

fn service<'a>(objects: &Objects, manifest: &'a Manifest, reference: &TargetRef) -> Result<Target<'a>, String> {
    let TargetRef { name, section_name, .. } = reference;
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
    Ok(Target::new(
        Place::of(manifest, ObjectRef::new("Service", namespace, name), section_name.clone()),
        service,
        port,
    ))
}

fn route<'a>(objects: &Objects, manifest: &'a Manifest, reference: &TargetRef) -> Result<RouteTarget<'a>, String> {
    let TargetRef { kind, name, section_name, .. } = reference;
    let key = ObjectKey::new(kind.kind(), manifest.object.namespace(), name);
    let route = ObjectRef::from(&key);
    let found = objects.manifest(&key);
    let found = found.ok_or_else(|| format!("it is attached to the {route}, which is not there"))?;
    if let Some(section) = section_name
        && !rule_names(&found.object).contains(&section.as_str())
    {
        return Err(format!("it is attached to the rule {section} of the {route}, which has none of this name"));
    }
    let shown = match section_name {
        Some(rule) => format!("rule {rule} of {route}"),
        None => route.to_string(),
    };
    let place = Place { shown, ..Place::of(manifest, route.clone(), section_name.clone()) };
    Ok(RouteTarget { place, route, rule: section_name.clone() })
}

/// The names that the rules of a route have.
fn rule_names(object: &Object) -> Vec<&str> {
    let names: Vec<&Option<String>> = match object {
        Object::HttpRoute(route) => route.spec.rules.iter().map(|rule| &rule.name).collect(),
        Object::GrpcRoute(route) => route.spec.rules.iter().map(|rule| &rule.name).collect(),
        Object::TlsRoute(route) => route.spec.rules.iter().map(|rule| &rule.name).collect(),
        Object::GatewayTcpRoute(route) => route.spec.rules.iter().map(|rule| &rule.name).collect(),
        _ => Vec::new(),
    };
    names.into_iter().flatten().map(String::as_str).collect()
}

impl<'a> Target<'a> {
    /// This service, or this port of it.
    pub(super) fn new(place: Place<'a>, service: ServiceName, port: Option<u16>) -> Self {
        let shown = match port {
            Some(port) => format!("port {port} of Service {service}"),
            None => format!("Service {service}"),
        };
        Self { place: Place { shown, ..place }, service, port }
    }
}

impl<'a> Place<'a> {
    /// The place of a policy at an object, or at a part of it.
    pub(super) fn of(manifest: &'a Manifest, target: ObjectRef, section: Option<String>) -> Self {
        Self { manifest, shown: target.to_string(), flaw: None, target, section }
    }

    /// What decides between policies of the same: the time when the policy was made; without one it is young.
    pub(super) fn age(&self) -> (bool, &str) {
        let made = self.manifest.object.metadata().creation_timestamp.as_deref();
        (made.is_none(), made.unwrap_or_default())
    }

    /// Tells how the policy stands there.
    pub(super) fn tell(&self, reason: AttachmentReason, message: String, remarks: &mut Remarks) {
        remarks.attachments.push(Attachment {
            policy: ObjectRef::from(&self.manifest.key()),
            target: self.target.clone(),
            section: self.section.clone(),
            reason,
            message,
        });
    }

    /// Tells that the policy is in force there, or what is wrong with it.
    pub(super) fn accept(mut self, remarks: &mut Remarks) {
        let fine = || (AttachmentReason::Accepted, format!("in force for {}", self.shown));
        let (reason, message) = self.flaw.take().unwrap_or_else(fine);
        self.tell(reason, message, remarks);
    }
}

/// The manifest of a policy that says something of traffic.
pub(super) fn policy<'a>(objects: &'a Objects, origin: &ObjectRef) -> Option<&'a Manifest> {
    let kinds = [Kind::TrafficPolicy, Kind::BackendTlsPolicy];
    let kind = kinds.into_iter().find(|kind| kind.as_str() == origin.kind)?;
    objects.manifest(&ObjectKey::new(kind, &origin.namespace, &origin.name))
}
