//! TrafficSplits, resolved.
//!
//! Several may speak of one service when they split different requests. Of those without matches the first by name
//! wins; the others are reported. Where a Gateway API route is in force at a service port, the splits of that service have
//! no effect on that port for the clients of that route, which is reported as well.

use std::collections::HashMap;

use leno_manifest::{
    Manifest,
    core::Service,
    smi::{HttpRouteGroup, TrafficSplit as SplitObject},
};
use leno_model::{
    ObjectRef, Route, ServiceName,
    policy::{HttpMatch, TrafficSplit, traffic_split::Backend},
    unit::Weight,
};

use super::{Remarks, http_match};
use crate::{Note, NoteReason, Objects};

/// The cluster's own part of DNS names.
const CLUSTER_DOMAIN: &str = "cluster.local";

/// Every split in force: by root; with matches first; then by the origin's name.
pub(super) fn all(objects: &Objects, routes: &[Route], remarks: &mut Remarks) -> Vec<TrafficSplit> {
    let mut splits = Vec::new();
    let mut whole: HashMap<ServiceName, ObjectRef> = HashMap::new();
    for (manifest, object) in objects.all::<SplitObject>() {
        let Some(split) = resolve(objects, object, manifest, remarks) else {
            continue;
        };
        if split.matches.is_empty() {
            if let Some(winner) = whole.get(&split.root) {
                let text = format!("it splits all requests to {}, as {winner} does already, which wins", split.root);
                remarks.notes.push(Note::new(manifest, NoteReason::Conflict, text));
                continue;
            }
            whole.insert(split.root.clone(), split.origin.clone());
        }
        note_missing(objects, &split, manifest, remarks);
        note_routes(routes, &split, manifest, remarks);
        splits.push(split);
    }
    // A stable sort: the order of names stays within equals.
    splits.sort_by(|a, b| (&a.root, a.matches.is_empty()).cmp(&(&b.root, b.matches.is_empty())));
    note_same_matches(objects, &splits, remarks);
    splits
}

/// A split with the services and requests that it means; `None` when it is not in force.
fn resolve(
    objects: &Objects,
    object: &SplitObject,
    manifest: &Manifest,
    remarks: &mut Remarks,
) -> Option<TrafficSplit> {
    let namespace = &object.metadata.namespace;
    let spec = &object.spec;
    let root = service(&spec.service, namespace, "spec.service", manifest, remarks);
    let mut backends = Vec::new();
    for (index, backend) in spec.backends.iter().enumerate() {
        let field = format!("spec.backends[{index}].service");
        let service = service(&backend.service, namespace, &field, manifest, remarks)?;
        backends.push(Backend { service, weight: Weight(backend.weight) });
    }
    let mut matches: Vec<HttpMatch> = Vec::new();
    for (index, rule) in spec.matches.iter().enumerate() {
        match objects.find::<HttpRouteGroup>(namespace, &rule.name) {
            Some(group) => matches.extend(http_match::all(group)),
            None => {
                let expected = format!("an HTTPRouteGroup in the namespace {namespace}");
                let fix = "until it is there no request fits it";
                remarks.invalid.push(manifest.invalid(&format!("spec.matches[{index}].name"), expected, fix));
            }
        }
    }
    // Without any request that fits, nothing is split; an empty list would split everything.
    if matches.is_empty() && !spec.matches.is_empty() {
        return None;
    }
    Some(TrafficSplit { origin: ObjectRef::from(&manifest.key()), root: root?, backends, matches })
}

/// The service of a name as clients write it: `cart`, `cart.shop`, `cart.shop.svc`, `cart.shop.svc.cluster.local`. A
/// split may speak of its own namespace only: else anybody could take anybody's traffic.
fn service(
    text: &str,
    namespace: &str,
    field: &str,
    manifest: &Manifest,
    remarks: &mut Remarks,
) -> Option<ServiceName> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let (name, rest) = text.split_once('.').unwrap_or((text, ""));
    let place = if rest.is_empty() { namespace } else { rest.split('.').next().unwrap_or_default() };
    let whole = format!("{namespace}.svc.{CLUSTER_DOMAIN}");
    let known = rest.is_empty() || whole == rest || whole.strip_prefix(rest).is_some_and(|rest| rest.starts_with('.'));
    if known && place == namespace {
        return Some(ServiceName::new(namespace, name));
    }
    let expected = format!("a service of the namespace {namespace}, as NAME or NAME.{whole}");
    remarks.invalid.push(manifest.invalid(field, expected, "the split is ignored"));
    None
}

/// Gateway API routes that say where the requests of the split's service go.
fn note_routes(routes: &[Route], split: &TrafficSplit, manifest: &Manifest, remarks: &mut Remarks) {
    for route in routes {
        let of_root = route.parents.iter().filter(|parent| parent.service == split.root);
        let ports: Vec<_> = of_root.map(|parent| parent.port.to_string()).collect();
        if ports.is_empty() {
            continue;
        }
        let whose = route.audience(&split.root).map_or_else(String::new, |it| format!(" for clients of {it}"));
        let ports = ports.join(", ");
        let text = format!("{} says where what is sent to {}:{ports} goes{whose}, and wins", route.origin, split.root);
        remarks.notes.push(Note::new(manifest, NoteReason::Conflict, text));
    }
}

/// Services that are not there, and ports that a backend lacks.
fn note_missing(objects: &Objects, split: &TrafficSplit, manifest: &Manifest, remarks: &mut Remarks) {
    let find = |name: &ServiceName| objects.find::<Service>(&name.namespace, &name.name);
    let mut note = |text: String| remarks.notes.push(Note::new(manifest, NoteReason::Unresolved, text));
    let Some(root) = find(&split.root) else {
        note(format!("it splits the service {}, which is not there", split.root));
        return;
    };
    for backend in split.backends.iter().filter(|backend| backend.weight.0 > 0) {
        let name = &backend.service;
        let Some(service) = find(name) else {
            note(format!("its backend {name} is not there and gets nothing"));
            continue;
        };
        let has = |number: u16| service.spec.ports.iter().any(|port| port.port == number);
        for port in root.spec.ports.iter().map(|port| port.port).filter(|number| !has(*number)) {
            note(format!("its backend {name} has no port {port}, as {} has, and gets nothing of it", split.root));
        }
    }
}

/// Two splits of one service for the same requests: only the first has an effect.
fn note_same_matches(objects: &Objects, splits: &[TrafficSplit], remarks: &mut Remarks) {
    for (index, split) in splits.iter().enumerate() {
        let earlier = splits.iter().take(index).filter(|it| it.root == split.root && !it.matches.is_empty());
        let covered = |it: &&TrafficSplit| split.matches.iter().all(|entry| it.matches.contains(entry));
        let Some(winner) = earlier.filter(|_| !split.matches.is_empty()).find(covered) else {
            continue;
        };
        let manifest = objects.all::<SplitObject>().map(|(manifest, _)| manifest);
        let Some(manifest) = manifest.into_iter().find(|it| ObjectRef::from(&it.key()) == split.origin) else {
            continue;
        };
        let text = format!("it splits the same requests to {} as {}, which wins", split.root, winner.origin);
        remarks.notes.push(Note::new(manifest, NoteReason::Conflict, text));
    }
}
