//! TrafficPolicies, resolved: per service and per route, the most decisive first.
//!
//! | before | after |
//! |---|---|
//! | a policy of a route | a policy of the service that the route is of |
//! | of these: a policy of one port, or rule | a policy of all of them |
//! | of these: a policy for some callers | a policy for all |
//! | of these: the older | the younger |
//! | of these: the first by namespace and name | the others |
//!
//! Sections (`retries`, `timeouts`…) are merged one by one. Two policies that speak of exactly the same part and callers
//! must not both have a section: the one that comes after is not in force there at all, and its status says so.

use std::collections::BTreeMap;

use leno_manifest::{Manifest, leno::TrafficPolicy as PolicyObject};
use leno_model::{
    ObjectRef, Protocol, Route, Service, ServiceName,
    policy::{
        TrafficPolicy, TrafficSettings,
        traffic::{RoutePolicy, UpstreamTls},
    },
    route::handling::Forward,
};

use super::{
    Remarks, backend_tls,
    target::{self, Place},
    tls,
};
use crate::{AttachmentReason, Note, NoteReason, Objects};

/// A policy at one target, with what decides between it and others.
struct Attached<'a, Part> {
    policy: TrafficPolicy<Part>,
    place: Place<'a>,
}

/// What is said of each service, BackendTLSPolicies among it, the most decisive first; what is said of protocols is done to
/// the services.
pub(super) fn all<'a>(
    objects: &'a Objects,
    backend_tls: Vec<backend_tls::Attached<'a>>,
    services: &mut [Service],
    remarks: &mut Remarks,
) -> BTreeMap<ServiceName, Vec<TrafficPolicy>> {
    let mut attached: BTreeMap<ServiceName, Vec<Attached<'_, u16>>> = BTreeMap::new();
    for (manifest, object) in objects.all::<PolicyObject>() {
        let targets = target::services(objects, manifest, &object.spec.target_refs, remarks);
        let mut said = object.spec.to_model(&object.metadata.namespace);
        let mut flaw = None;
        if let Some(tls) = object.spec.tls.as_ref().filter(|_| !targets.is_empty()) {
            let (tls, wrong) = tls::said(objects, manifest, tls, remarks);
            (said.tls, flaw) = (Some(tls), wrong);
        }
        for mut target in targets {
            target.place.flaw.clone_from(&flaw);
            let policy = policy(manifest, object, target.port, said.clone());
            attached.entry(target.service).or_default().push(Attached { policy, place: target.place });
        }
    }
    for (target, policy) in backend_tls {
        attached.entry(target.service).or_default().push(Attached { policy, place: target.place });
    }
    let all: BTreeMap<_, _> = attached.into_iter().map(|(name, it)| (name, ranked(it, remarks))).collect();
    for service in &mut *services {
        if let Some(policies) = all.get(&service.name) {
            declare(service, policies);
            note_idle(objects, service, policies, remarks);
        }
    }
    note_missing_services(objects, services, all.values().flatten().map(TrafficPolicy::word), remarks);
    all
}

/// Tells each route what is said of its traffic.
pub(super) fn of_routes(objects: &Objects, services: &[Service], routes: &mut [Route], remarks: &mut Remarks) {
    let mut attached: BTreeMap<ObjectRef, Vec<Attached<'_, String>>> = BTreeMap::new();
    for (manifest, object) in objects.all::<PolicyObject>() {
        for target in target::routes(objects, manifest, &object.spec.target_refs, remarks) {
            let said = object.spec.to_model(&object.metadata.namespace);
            let policy = policy(manifest, object, target.rule, said);
            attached.entry(target.route).or_default().push(Attached { policy, place: target.place });
        }
    }
    for (name, of_route) in attached {
        let policies = ranked(of_route, remarks);
        note_missing_services(objects, services, policies.iter().map(TrafficPolicy::word), remarks);
        if let Some(route) = routes.iter_mut().find(|route| route.origin == name) {
            note_unused(objects, route, &policies, remarks);
            route.policies = policies;
            continue;
        }
        for policy in policies {
            if let Some(manifest) = target::policy(objects, &policy.origin) {
                let text = format!("it changes nothing: the {name} is not in force at any Service");
                remarks.notes.push(Note::new(manifest, NoteReason::NoEffect, text));
            }
        }
    }
}

impl<Part> Attached<'_, Part> {
    fn rank(&self) -> impl Ord + '_ {
        let (part, callers) = self.policy.precision();
        (!part, !callers, self.place.age(), &self.policy.origin.namespace, &self.policy.origin.name)
    }
}

fn policy<Part>(
    manifest: &Manifest,
    object: &PolicyObject,
    part: Option<Part>,
    settings: TrafficSettings,
) -> TrafficPolicy<Part> {
    let mut callers: Vec<_> =
        object.spec.from.iter().map(|caller| caller.to_model(&object.metadata.namespace)).collect();
    callers.sort();
    callers.dedup();
    TrafficPolicy { origin: ObjectRef::from(&manifest.key()), part, callers, settings }
}

/// The policies of one object, the most decisive first. Left out is every one that has a section which an earlier one of
/// the same part and callers has; its status says so.
fn ranked<Part: PartialEq>(mut attached: Vec<Attached<'_, Part>>, remarks: &mut Remarks) -> Vec<TrafficPolicy<Part>> {
    attached.sort_by(|one, other| one.rank().cmp(&other.rank()));
    let mut kept: Vec<TrafficPolicy<Part>> = Vec::new();
    for Attached { policy, place } in attached {
        let mut same = kept.iter().filter(|it| it.part == policy.part && it.callers == policy.callers);
        let conflict = same.find_map(|it| Some((it, it.settings.overlap(&policy.settings)?)));
        match conflict {
            Some((winner, section)) => {
                let message = format!("{} speaks of the same, also of {section}, and wins", winner.origin);
                remarks.notes.push(Note::new(
                    place.manifest,
                    NoteReason::Conflict,
                    format!("it is not in force for {}: {message}", place.shown),
                ));
                place.tell(AttachmentReason::Conflicted, message, remarks);
            }
            None => {
                place.accept(remarks);
                kept.push(policy);
            }
        }
    }
    kept
}

/// Remarks on what rules of a route say themselves, so that policies of it do not.
fn note_unused(objects: &Objects, route: &Route, policies: &[RoutePolicy], remarks: &mut Remarks) {
    let forwards: Vec<(&str, &Forward)> = route.forwards().collect();
    for policy in policies {
        let concerned: Vec<_> =
            forwards.iter().filter(|(rule, _)| policy.part.as_ref().is_none_or(|it| it == rule)).collect();
        let every = |says: fn(&Forward) -> bool| !concerned.is_empty() && concerned.iter().all(|(_, it)| says(it));
        let settings = &policy.settings;
        let idle = [
            (settings.retries.is_some() && every(|it| it.retry.is_some()), "retries"),
            (
                settings.timeouts.is_some_and(|it| it.request.is_some())
                    && every(|it| it.timeout.is_some() || it.try_timeout.is_some()),
                "timeouts.request",
            ),
        ];
        let manifest = target::policy(objects, &policy.origin);
        for (_, section) in idle.into_iter().filter(|(idle, _)| *idle) {
            let text = format!("spec.{section} changes nothing for {}: its rules say it themselves", route.origin);
            remarks.notes.extend(manifest.map(|manifest| Note::new(manifest, NoteReason::NoEffect, text)));
        }
    }
}

/// What is spoken on the ports, where policies say so.
fn declare(service: &mut Service, policies: &[TrafficPolicy]) {
    for port in service.ports.iter_mut().filter(|port| port.protocol != Protocol::Udp) {
        let mut concerned = policies.iter().filter(|policy| policy.concerns(&port.port, None));
        if let Some(protocol) = concerned.find_map(|policy| policy.settings.protocol) {
            port.protocol = protocol;
        }
    }
}

/// Remarks on what changes nothing.
fn note_idle(objects: &Objects, service: &Service, policies: &[TrafficPolicy], remarks: &mut Remarks) {
    for policy in policies {
        let Some(manifest) = target::policy(objects, &policy.origin) else {
            continue;
        };
        let concerned = |port: &u16| policy.part.is_none_or(|own| own == *port);
        let mut ports = service.ports.iter().filter(|port| concerned(&port.port)).peekable();
        if ports.peek().is_some() && ports.all(|port| matches!(port.protocol, Protocol::Tcp | Protocol::Udp)) {
            for section in of_requests(&policy.settings) {
                let text = format!(
                    "spec.{section} changes nothing for {}: it is about requests, and this carries bytes",
                    service.name
                );
                remarks.notes.push(Note::new(manifest, NoteReason::NoEffect, text));
            }
        }
        let mut endpoints = service.endpoints.values().flatten().peekable();
        let settings = &policy.settings;
        let meshed = endpoints.peek().is_some() && endpoints.clone().all(|it| it.meshed);
        if meshed && matches!(settings.tls, Some(UpstreamTls::Simple(_))) {
            let text = format!(
                "its TLS changes nothing for {}: all of its pods have a sidecar, and are reached by mesh TLS",
                service.name
            );
            remarks.notes.push(Note::new(manifest, NoteReason::NoEffect, text));
        }
        let of_server = settings.rate_limit.is_some()
            || settings.global_rate_limit.is_some()
            || settings.inbound_connections.is_some();
        if of_server && endpoints.peek().is_some() && endpoints.all(|it| !it.meshed) {
            let text =
                format!("its limits of servers change nothing for {}: none of its pods has a sidecar", service.name);
            remarks.notes.push(Note::new(manifest, NoteReason::NoEffect, text));
        }
    }
}

/// Remarks on services that policies name and that are not there.
fn note_missing_services<'a>(
    objects: &Objects,
    services: &[Service],
    words: impl Iterator<Item = (&'a ObjectRef, &'a TrafficSettings)>,
    remarks: &mut Remarks,
) {
    for (origin, settings) in words {
        let mirror = settings.mirror.as_ref();
        let mirror = mirror.map(|it| ("spec.mirror copies nothing", &it.service, it.port));
        let limit = settings.global_rate_limit.as_ref();
        let limit = limit.and_then(|it| it.counter.service());
        let limit = limit.map(|(name, port)| ("spec.globalRateLimit finds nobody who counts", name, port));
        for (what, name, port) in mirror.into_iter().chain(limit) {
            let mut found = services.iter().filter(|service| service.name == *name);
            if found.any(|service| service.port(port).is_some()) {
                continue;
            }
            if let Some(manifest) = target::policy(objects, origin) {
                let text = format!("{what}: there is no Service {name} with a port {port}");
                remarks.notes.push(Note::new(manifest, NoteReason::NoEffect, text));
            }
        }
    }
}

/// The sections that are about requests alone.
fn of_requests(settings: &TrafficSettings) -> impl Iterator<Item = &'static str> {
    let limit = settings.rate_limit.as_ref();
    let given = [
        (settings.retries.is_some(), "retries"),
        (settings.mirror.is_some(), "mirror"),
        (settings.fault.is_some(), "fault"),
        (settings.timeouts.is_some_and(|it| it.request.is_some()), "timeouts.request"),
        (limit.is_some_and(|limit| limit.http.is_some()), "localRateLimit.http"),
        (settings.global_rate_limit.is_some(), "globalRateLimit"),
    ];
    given.into_iter().filter(|(given, _)| *given).map(|(_, section)| section)
}
