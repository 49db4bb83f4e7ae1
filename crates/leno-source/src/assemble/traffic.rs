//! TrafficPolicies, resolved: per service, the most decisive first.
//!
//! | before | after |
//! |---|---|
//! | a policy of one port | a policy of all ports |
//! | of these: a policy for some callers | a policy for all |
//! | of these: the older | the younger |
//! | of these: the first by namespace and name | the others |
//!
//! Sections (`retries`, `timeouts`…) are merged one by one. Two policies that speak of exactly the same ports and callers
//! must not both have a section: the one that comes after is not in force there at all, and its status says so.

use std::collections::BTreeMap;

use leno_manifest::{Manifest, leno::TrafficPolicy as PolicyObject};
use leno_model::{
    ObjectRef, Protocol, Service, ServiceName,
    policy::{TrafficPolicy, TrafficSettings},
};

use super::{
    Remarks,
    target::{self, Target},
};
use crate::{AttachmentReason, Note, NoteReason, Objects};

/// A policy at one target, with what decides between it and others.
struct Attached<'a> {
    policy: TrafficPolicy,
    target: Target<'a>,
}

/// What is said of each service, the most decisive first; what is said of protocols is done to the services.
pub(super) fn all(
    objects: &Objects,
    services: &mut [Service],
    remarks: &mut Remarks,
) -> BTreeMap<ServiceName, Vec<TrafficPolicy>> {
    let mut attached: BTreeMap<ServiceName, Vec<Attached<'_>>> = BTreeMap::new();
    for (manifest, object) in objects.all::<PolicyObject>() {
        for target in target::resolve(objects, manifest, &object.spec.target_refs, remarks) {
            let policy = policy(manifest, object, &target);
            attached.entry(target.service.clone()).or_default().push(Attached { policy, target });
        }
    }
    let mut all = BTreeMap::new();
    for (name, mut of_service) in attached {
        of_service.sort_by(|one, other| one.rank().cmp(&other.rank()));
        let policies = without_conflicts(of_service, remarks);
        all.insert(name, policies);
    }
    for service in &mut *services {
        if let Some(policies) = all.get(&service.name) {
            declare(service, policies);
            note_idle(objects, service, policies, remarks);
        }
    }
    note_missing_services(objects, services, all.values().flatten(), remarks);
    all
}

impl Attached<'_> {
    fn rank(&self) -> impl Ord + '_ {
        let (port, callers) = self.policy.precision();
        (!port, !callers, self.target.age(), &self.policy.origin.namespace, &self.policy.origin.name)
    }
}

fn policy(manifest: &Manifest, object: &PolicyObject, target: &Target<'_>) -> TrafficPolicy {
    let mut callers: Vec<_> =
        object.spec.from.iter().map(|caller| caller.to_model(&object.metadata.namespace)).collect();
    callers.sort();
    callers.dedup();
    TrafficPolicy {
        origin: ObjectRef::from(&manifest.key()),
        port: target.port,
        callers,
        settings: object.spec.to_model(&object.metadata.namespace),
    }
}

/// Leaves out every policy that has a section which an earlier one of the same ports and callers has, and says so.
fn without_conflicts(attached: Vec<Attached<'_>>, remarks: &mut Remarks) -> Vec<TrafficPolicy> {
    let mut kept: Vec<TrafficPolicy> = Vec::new();
    for Attached { policy, target } in attached {
        let mut same = kept.iter().filter(|it| it.port == policy.port && it.callers == policy.callers);
        let conflict = same.find_map(|it| Some((it, it.settings.overlap(&policy.settings)?)));
        match conflict {
            Some((winner, section)) => {
                let message = format!("{} speaks of the same, also of {section}, and wins", winner.origin);
                remarks.notes.push(Note::new(
                    target.manifest,
                    NoteReason::Conflict,
                    format!("it is not in force for {}: {message}", target.shown()),
                ));
                target.tell(AttachmentReason::Conflicted, message, remarks);
            }
            None => {
                let message = format!("in force for {}", target.shown());
                target.tell(AttachmentReason::Accepted, message, remarks);
                kept.push(policy);
            }
        }
    }
    kept
}

/// What is spoken on the ports, where policies say so.
fn declare(service: &mut Service, policies: &[TrafficPolicy]) {
    for port in service.ports.iter_mut().filter(|port| port.protocol != Protocol::Udp) {
        let mut concerned = policies.iter().filter(|policy| policy.concerns(port.port, None));
        if let Some(protocol) = concerned.find_map(|policy| policy.settings.protocol) {
            port.protocol = protocol;
        }
    }
}

/// Remarks on what changes nothing.
fn note_idle(objects: &Objects, service: &Service, policies: &[TrafficPolicy], remarks: &mut Remarks) {
    for policy in policies {
        let Some(manifest) = objects.manifest(&target::key::<PolicyObject>(&policy.origin)) else {
            continue;
        };
        let concerned = |port: &u16| policy.port.is_none_or(|own| own == *port);
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
    policies: impl Iterator<Item = &'a TrafficPolicy>,
    remarks: &mut Remarks,
) {
    for policy in policies {
        let mirror = policy.settings.mirror.as_ref();
        let mirror = mirror.map(|it| ("spec.mirror copies nothing", &it.service, it.port));
        let limit = policy.settings.global_rate_limit.as_ref();
        let limit = limit.and_then(|it| it.counter.service());
        let limit = limit.map(|(name, port)| ("spec.globalRateLimit finds nobody who counts", name, port));
        for (what, name, port) in mirror.into_iter().chain(limit) {
            let mut found = services.iter().filter(|service| service.name == *name);
            if found.any(|service| service.port(port).is_some()) {
                continue;
            }
            if let Some(manifest) = objects.manifest(&target::key::<PolicyObject>(&policy.origin)) {
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
