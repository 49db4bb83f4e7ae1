//! Gateway API routes with Services as parents, resolved: what they attach to, where they lead, and what became of them
//! at each parent (their `status`).
//!
//! ```text
//! route ─► parents: service ports it may attach to ─► conflicts between kinds ─► Route
//!       ─► rules: backends and filters resolved     ─► Accepted, ResolvedRefs at each parent
//! ```

mod backend;
mod filter;
mod parent;
mod rule;
mod session;
mod stream;

use std::collections::BTreeMap;

use leno_manifest::{
    Kind, Manifest,
    gateway::{GROUP, GrpcRoute, HttpRoute, ParentReference, RouteStatus, TcpRoute, TlsRoute, status::ConditionStatus},
};
use leno_model::{Invalid, ObjectRef, Route, Service, route::Parent, route::Rules};

use self::{backend::Resolver, parent::Attachment};
use super::{Remarks, condition};
use crate::{Note, NoteReason, Objects, status::RouteCondition};

/// Why something that a route names is not there for it. The words are the Gateway API's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unresolved {
    BackendNotFound,
    InvalidKind,
    RefNotPermitted,
    UnsupportedProtocol,
}

impl Unresolved {
    fn as_str(self) -> &'static str {
        match self {
            Self::BackendNotFound => "BackendNotFound",
            Self::InvalidKind => "InvalidKind",
            Self::RefNotPermitted => "RefNotPermitted",
            Self::UnsupportedProtocol => "UnsupportedProtocol",
        }
    }
}

/// A route on its way to be in force.
struct Candidate<'a> {
    manifest: &'a Manifest,
    /// At each of its parents that is a Service: the reference's place in the list, and what became of it.
    attachments: Vec<(&'a ParentReference, Attachment)>,
    rules: Rules,
    /// What is not there.
    unresolved: Vec<(Unresolved, String)>,
    /// What Leno does not do: such a route is not in force.
    unsupported: Vec<Invalid>,
}

/// Every route in force, and what became of each.
pub(super) fn all(objects: &Objects, services: &[Service], remarks: &mut Remarks) -> (Vec<Route>, Vec<RouteCondition>) {
    let services: BTreeMap<_, _> = services.iter().map(|service| (&service.name, service)).collect();
    let mut candidates = Vec::new();
    let resolver = |manifest| Resolver::new(objects, &services, manifest);
    for (manifest, route) in objects.all::<GrpcRoute>() {
        let mut resolver = resolver(manifest);
        let rules = Rules::Grpc(rule::grpc(&route.spec.rules, &mut resolver));
        candidates.extend(candidate(&route.spec.parent_refs, rules, resolver, remarks));
        note_hostnames(manifest, &route.spec.hostnames, remarks);
    }
    for (manifest, route) in objects.all::<HttpRoute>() {
        let mut resolver = resolver(manifest);
        let rules = Rules::Http(rule::http(&route.spec.rules, &mut resolver));
        candidates.extend(candidate(&route.spec.parent_refs, rules, resolver, remarks));
        note_hostnames(manifest, &route.spec.hostnames, remarks);
    }
    for (manifest, route) in objects.all::<TlsRoute>() {
        let mut resolver = resolver(manifest);
        let rules = Rules::Tls(stream::tls(&route.spec, &mut resolver));
        candidates.extend(candidate(&route.spec.parent_refs, rules, resolver, remarks));
    }
    for (manifest, route) in objects.all::<TcpRoute>() {
        let mut resolver = resolver(manifest);
        let rules = Rules::Tcp(stream::tcp(&route.spec.rules, &mut resolver));
        candidates.extend(candidate(&route.spec.parent_refs, rules, resolver, remarks));
        note_other_rules(manifest, route.spec.rules.len(), remarks);
    }
    parent::settle(&mut candidates);
    candidates.sort_by(|a, b| age(a).cmp(&age(b)));
    let conditions = candidates.iter().map(|candidate| conditions(candidate, remarks)).collect();
    (candidates.into_iter().filter_map(in_force).collect(), conditions)
}

/// What decides between routes that say something of the same requests: who is older, then whose name comes first.
fn age<'a>(candidate: &'a Candidate<'_>) -> (Option<&'a str>, &'a str, &'a str, Kind) {
    let object = &candidate.manifest.object;
    let created = object.metadata().creation_timestamp.as_deref();
    (created, object.namespace(), object.name(), object.kind())
}

/// A route that has to do with the mesh.
fn candidate<'a>(
    parents: &'a [ParentReference],
    rules: Rules,
    resolver: Resolver<'a>,
    remarks: &mut Remarks,
) -> Option<Candidate<'a>> {
    let manifest = resolver.manifest;
    let parents: Vec<_> = parents.iter().filter(|parent| parent.is_service()).collect();
    if parents.is_empty() {
        let text = "no parent of it is a Service (group \"\", kind Service), so the mesh has no use for it";
        remarks.notes.push(Note::new(manifest, NoteReason::NoEffect, text));
        return None;
    }
    let attach = |parent: &&'a ParentReference| (*parent, parent::attach(parent, &rules, &resolver));
    let attachments = parents.iter().map(attach).collect();
    let Resolver { unresolved, unsupported, .. } = resolver;
    Some(Candidate { manifest, attachments, rules, unresolved, unsupported })
}

fn note_hostnames(manifest: &Manifest, hostnames: &[String], remarks: &mut Remarks) {
    if !hostnames.is_empty() {
        let text = "spec.hostnames means nothing where the parent is a Service; match the header host instead";
        remarks.notes.push(Note::new(manifest, NoteReason::NoEffect, text));
    }
}

fn note_other_rules(manifest: &Manifest, rules: usize, remarks: &mut Remarks) {
    if rules > 1 {
        let text = "spec.rules[1] and those after it never come to pass: the first takes every connection";
        remarks.notes.push(Note::new(manifest, NoteReason::NoEffect, text));
    }
}

/// The route, if anything of it is in force.
fn in_force(candidate: Candidate<'_>) -> Option<Route> {
    if !candidate.unsupported.is_empty() {
        return None;
    }
    let ports = candidate.attachments.iter().flat_map(|(_, attachment)| &attachment.ports);
    let mut parents: Vec<Parent> = ports.cloned().collect();
    parents.sort();
    parents.dedup();
    let origin = ObjectRef::from(&candidate.manifest.key());
    (!parents.is_empty()).then_some(Route { origin, parents, rules: candidate.rules, policies: Vec::new() })
}

/// What became of a route at each parent; told to people as well.
fn conditions(candidate: &Candidate<'_>, remarks: &mut Remarks) -> RouteCondition {
    let manifest = candidate.manifest;
    remarks.invalid.extend(candidate.unsupported.iter().cloned());
    for (_, text) in &candidate.unresolved {
        remarks.notes.push(Note::new(manifest, NoteReason::Unresolved, text.clone()));
    }
    let mut parents = Vec::new();
    for (parent, attachment) in &candidate.attachments {
        let accepted = match (candidate.unsupported.first(), attachment.ports.is_empty(), &attachment.problem) {
            (Some(invalid), _, _) => (ConditionStatus::False, "UnsupportedValue", without_place(invalid)),
            (None, true, problem) => {
                let (reason, text) = problem.clone().unwrap_or(("NoMatchingParent", String::new()));
                (ConditionStatus::False, reason, text)
            }
            (None, false, problem) => {
                let text = problem.as_ref().map(|(_, text)| text.clone()).unwrap_or_default();
                (ConditionStatus::True, "Accepted", text)
            }
        };
        if let Some((reason, text)) = &attachment.problem {
            let reason = if *reason == "Conflicted" { NoteReason::Conflict } else { NoteReason::Unresolved };
            remarks.notes.push(Note::new(manifest, reason, text.clone()));
        }
        let broken = candidate.unresolved.first().map(|(reason, text)| (reason.as_str(), text.clone()));
        parents.push(condition::at(manifest, (*parent).clone(), accepted, condition::resolved(broken)));
    }
    RouteCondition { object: ObjectRef::from(&manifest.key()), status: RouteStatus { parents } }
}

fn without_place(invalid: &Invalid) -> String {
    Invalid { location: None, object: None, ..invalid.clone() }.to_string()
}

/// Who refers, as ReferenceGrants name it.
fn referrer(manifest: &Manifest) -> (&'static str, &'static str, &str) {
    (GROUP, manifest.object.kind().as_str(), manifest.object.namespace())
}

/// The parents that a route names.
fn parent_refs(object: &leno_manifest::Object) -> &[ParentReference] {
    use leno_manifest::Object;
    match object {
        Object::HttpRoute(route) => &route.spec.parent_refs,
        Object::GrpcRoute(route) => &route.spec.parent_refs,
        Object::TlsRoute(route) => &route.spec.parent_refs,
        Object::GatewayTcpRoute(route) => &route.spec.parent_refs,
        _ => &[],
    }
}
