//! TrafficTargets to access rules.
//!
//! A rule never lets more through than every object that it names says: when all HTTPRouteGroups (or all TCPRoutes)
//! that a TrafficTarget names are missing there is no rule at all, and not one without that condition.

use std::collections::BTreeSet;

use leno_manifest::{
    Manifest,
    core::{Pod, ServiceAccount},
    smi::{
        HttpRouteGroup, TcpRoute, TrafficTarget, UdpRoute,
        traffic_target::{IdentityBindingSubject, RouteKind, TrafficTargetRule},
    },
};
use leno_model::{
    ObjectRef, ServiceAccountName,
    policy::{AccessRule, HttpMatch, authorization::Ports},
};

use super::{Remarks, http_match};
use crate::{Note, NoteReason, Objects};

/// Every access rule, in the order of their origins' names.
pub(super) fn all(objects: &Objects, remarks: &mut Remarks) -> Vec<AccessRule> {
    let accounts = accounts(objects);
    let mut rules = Vec::new();
    for (manifest, target) in objects.all::<TrafficTarget>() {
        let spec = &target.spec;
        if spec.destination.namespace != target.metadata.namespace {
            let expected = format!("the namespace of the TrafficTarget, {}", target.metadata.namespace);
            let fix = "it is ignored; write it in the namespace of its destination";
            remarks.invalid.push(manifest.invalid("spec.destination.namespace", expected, fix));
            continue;
        }
        note_unknown_accounts(target, manifest, &accounts, remarks);
        let mut sources: Vec<_> = spec.sources.iter().map(account).collect();
        sources.sort();
        sources.dedup();
        if let Some(Passing { http, ports }) = passes(objects, target, manifest, remarks) {
            let origin = ObjectRef::from(&manifest.key());
            rules.push(AccessRule { origin, destination: account(&spec.destination), sources, http, ports });
        }
    }
    rules
}

fn account(subject: &IdentityBindingSubject) -> ServiceAccountName {
    ServiceAccountName::new(&subject.namespace, &subject.name)
}

/// Every service account that there is an object of, or that a pod runs as.
fn accounts(objects: &Objects) -> BTreeSet<ServiceAccountName> {
    let written = objects.all::<ServiceAccount>().map(|(_, it)| &it.metadata);
    let written = written.map(|metadata| ServiceAccountName::new(&metadata.namespace, &metadata.name));
    let used = objects.all::<Pod>().map(|(_, pod)| (&pod.metadata.namespace, pod.spec.account()));
    written.chain(used.map(|(namespace, name)| ServiceAccountName::new(namespace, name))).collect()
}

fn note_unknown_accounts(
    target: &TrafficTarget,
    manifest: &Manifest,
    accounts: &BTreeSet<ServiceAccountName>,
    remarks: &mut Remarks,
) {
    let spec = &target.spec;
    for subject in std::iter::once(&spec.destination).chain(&spec.sources) {
        // Every namespace has its `default`, written or not.
        if subject.name != "default" && !accounts.contains(&account(subject)) {
            let text = format!("it names the service account {}, which is not there", account(subject));
            remarks.notes.push(Note::new(manifest, NoteReason::Unresolved, text));
        }
    }
}

/// The conditions of an access rule.
struct Passing {
    http: Option<Vec<HttpMatch>>,
    ports: Option<Ports>,
}

/// What passes by a TrafficTarget; `None` when nothing does.
fn passes(objects: &Objects, target: &TrafficTarget, manifest: &Manifest, remarks: &mut Remarks) -> Option<Passing> {
    let namespace = &target.metadata.namespace;
    let mut http: Option<Vec<HttpMatch>> = None;
    let mut ports: Option<BTreeSet<u16>> = None;
    let mut all_ports = false;
    for (index, rule) in target.spec.rules.iter().enumerate() {
        let at = format!("spec.rules[{index}]");
        match rule.kind {
            RouteKind::HttpRouteGroup => {
                let group = objects.find::<HttpRouteGroup>(namespace, &rule.name);
                let found = group.map(|group| entries(group, rule, &at, manifest, remarks));
                http.get_or_insert_default().extend(found.unwrap_or_else(|| missing(rule, &at, manifest, remarks)));
            }
            RouteKind::TcpRoute => {
                let route = objects.find::<TcpRoute>(namespace, &rule.name).map(|route| &route.spec.matches.ports);
                all_ports |= route.is_some_and(Vec::is_empty);
                let found = route.cloned().unwrap_or_else(|| missing(rule, &at, manifest, remarks));
                ports.get_or_insert_default().extend(found);
            }
            RouteKind::UdpRoute => {
                if objects.find::<UdpRoute>(namespace, &rule.name).is_none() {
                    let _: Vec<u16> = missing(rule, &at, manifest, remarks);
                }
                let text =
                    format!("{at} names a UDPRoute: datagrams are not carried by the mesh, so it lets nothing in");
                remarks.notes.push(Note::new(manifest, NoteReason::NoEffect, text));
            }
        }
    }
    let ports = ports.map(|ports| if all_ports { Ports::All } else { Ports::Only(ports.into_iter().collect()) });
    let ports = narrowed(ports, target.spec.destination.port);
    let nothing_of_http = http.as_ref().is_some_and(Vec::is_empty);
    let no_port = matches!(&ports, Some(Ports::Only(ports)) if ports.is_empty());
    let neither = http.is_none() && ports.is_none();
    (!nothing_of_http && !no_port && !neither).then_some(Passing { http, ports })
}

/// Up to v1alpha2 the destination could name the only port.
fn narrowed(ports: Option<Ports>, only: Option<u16>) -> Option<Ports> {
    match (ports, only) {
        (ports, None) => ports,
        (None, Some(port)) => Some(Ports::Only(vec![port])),
        (Some(ports), Some(port)) => {
            Some(Ports::Only(vec![port].into_iter().filter(|it| ports.contains(*it)).collect()))
        }
    }
}

/// The entries of a group that a rule names: all of them when it names none.
fn entries(
    group: &HttpRouteGroup,
    rule: &TrafficTargetRule,
    at: &str,
    manifest: &Manifest,
    remarks: &mut Remarks,
) -> Vec<HttpMatch> {
    let all = http_match::all(group);
    if rule.matches.is_empty() {
        return all;
    }
    for (index, name) in rule.matches.iter().enumerate() {
        if !all.iter().any(|entry| entry.name == *name) {
            let names: Vec<_> = all.iter().map(|entry| entry.name.as_str()).collect();
            let expected = format!("an entry of the HTTPRouteGroup {} ({})", rule.name, names.join(", "));
            remarks.invalid.push(manifest.invalid(&format!("{at}.matches[{index}]"), expected, ""));
        }
    }
    all.into_iter().filter(|entry| rule.matches.contains(&entry.name)).collect()
}

/// The object that a rule names is not there: by it nothing passes.
fn missing<T>(rule: &TrafficTargetRule, at: &str, manifest: &Manifest, remarks: &mut Remarks) -> Vec<T> {
    let kind = rule.kind.as_str();
    let expected = format!("a {kind} in the namespace {}", manifest.object.namespace());
    let expected = expected.replace("a HTTP", "an HTTP");
    let fix = "until it is there nothing passes by this rule";
    remarks.invalid.push(manifest.invalid(&format!("{at}.name"), expected, fix));
    Vec::new()
}
