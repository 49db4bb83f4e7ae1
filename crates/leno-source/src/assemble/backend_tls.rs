//! BackendTLSPolicies of the Gateway API ([GEP-1897]): TLS of their own with the endpoints of Services. They take part among
//! the TrafficPolicies of the same Services, as such that speak of `tls` alone.
//!
//! [GEP-1897]: https://gateway-api.sigs.k8s.io/geps/gep-1897/

use leno_manifest::{
    Manifest,
    core::Service,
    gateway::{
        BackendTlsPolicy, ParentReference, RouteStatus,
        backend_tls_policy::{BackendTlsPolicySpec, PolicyTarget},
        reference::LocalReference,
        status::ConditionStatus,
    },
    leno::traffic_policy::tls::CertificateKind,
};
use leno_model::{
    ObjectRef, ServiceName,
    policy::{
        TrafficPolicy, TrafficSettings,
        traffic::{Roots, TlsOrigination, TlsVersions, UpstreamTls},
    },
};

use super::{
    Remarks, condition,
    target::{Place, Target},
    tls,
};
use crate::{AttachmentReason, Note, NoteReason, Objects, status::RouteCondition};

/// The only roots that have a name of their own.
const SYSTEM: &str = "System";

/// A reference to certificates that leads nowhere: the reason of the condition `ResolvedRefs`, and a text for people.
type Broken = (&'static str, String);

/// A policy at a Service that it is attached to.
pub(super) type Attached<'a> = (Target<'a>, TrafficPolicy);

/// A policy, and the first of its references that leads nowhere.
pub(super) struct Judged<'a> {
    manifest: &'a Manifest,
    broken: Option<Broken>,
}

/// Every policy at every Service that it is attached to, with how it stands there; and each policy by itself.
pub(super) fn all<'a>(objects: &'a Objects, remarks: &mut Remarks) -> (Vec<Attached<'a>>, Vec<Judged<'a>>) {
    let (mut all, mut judged) = (Vec::new(), Vec::new());
    for (manifest, object) in objects.all::<BackendTlsPolicy>() {
        let (roots, broken) = roots(objects, manifest, &object.spec);
        for (_, text) in &broken {
            remarks.notes.push(Note::new(manifest, NoteReason::Unresolved, text.clone()));
        }
        let validation = &object.spec.validation;
        let flaw = match &validation.well_known_ca_certificates {
            Some(other) if other != SYSTEM => {
                let text = format!("spec.validation.wellKnownCACertificates is {other:?}, expected {SYSTEM}");
                remarks.notes.push(Note::new(manifest, NoteReason::Unresolved, text.clone()));
                Some((AttachmentReason::Invalid, text))
            }
            _ => tls::flaw(&roots),
        };
        judged.push(Judged { manifest, broken: broken.into_iter().next() });
        let origination = TlsOrigination {
            roots,
            server_name: Some(validation.hostname.to_ascii_lowercase()),
            names: tls::names(Some(&validation.hostname), &validation.subject_alt_names),
            versions: TlsVersions::default(),
            client_certificate: None,
        };
        for reference in &object.spec.target_refs {
            let named = ObjectRef::new(&reference.kind, manifest.object.namespace(), &reference.name);
            let mut place = Place::of(manifest, named, reference.section_name.clone());
            match target(objects, manifest, reference) {
                Ok((service, port)) => {
                    place.flaw.clone_from(&flaw);
                    let settings =
                        TrafficSettings { tls: Some(UpstreamTls::Simple(origination.clone())), ..Default::default() };
                    let origin = ObjectRef::from(&manifest.key());
                    let policy = TrafficPolicy { origin, part: port, callers: Vec::new(), settings };
                    all.push((Target::new(place, service, port), policy));
                }
                Err(text) => {
                    remarks.notes.push(Note::new(manifest, NoteReason::Unresolved, text.clone()));
                    place.tell(AttachmentReason::TargetNotFound, text, remarks);
                }
            }
        }
    }
    (all, judged)
}

fn target(
    objects: &Objects,
    manifest: &Manifest,
    reference: &PolicyTarget,
) -> Result<(ServiceName, Option<u16>), String> {
    let PolicyTarget { group, kind, name, section_name } = reference;
    if !(group.is_empty() && kind == "Service") {
        return Err(format!("it is attached to a {kind} of the group {group:?}, and only Services are reached by TLS"));
    }
    let service = ServiceName::new(manifest.object.namespace(), name);
    let object = objects.find::<Service>(&service.namespace, name);
    let object = object.ok_or_else(|| format!("it is attached to the Service {service}, which is not there"))?;
    let Some(section) = section_name else { return Ok((service, None)) };
    let port = object.spec.ports.iter().find(|port| port.name == *section);
    let missing = || format!("it is attached to the port {section} of the Service {service}, which has none such");
    let port = port.ok_or_else(missing)?.port;
    Ok((service, Some(port)))
}

/// Who vouches, and which references lead nowhere.
fn roots(objects: &Objects, manifest: &Manifest, spec: &BackendTlsPolicySpec) -> (Roots, Vec<Broken>) {
    let validation = &spec.validation;
    if let Some(well_known) = &validation.well_known_ca_certificates {
        return (if well_known == SYSTEM { Roots::System } else { Roots::Nobody }, Vec::new());
    }
    let namespace = manifest.object.namespace();
    let of = |(index, reference): (usize, &LocalReference)| {
        let at = format!("spec.validation.caCertificateRefs[{index}]");
        let kind = match (reference.group.as_str(), reference.kind.as_str()) {
            ("" | "core", "ConfigMap") => CertificateKind::ConfigMap,
            ("" | "core", "Secret") => CertificateKind::Secret,
            (group, kind) => {
                let text = format!("{at} names a {kind} of the group {group:?}, expected a ConfigMap or a Secret");
                return Err(("InvalidKind", text));
            }
        };
        tls::certificates(objects, namespace, kind, &reference.name, tls::KEY)
            .map_err(|text| ("InvalidCACertificateRef", format!("{at} {text}")))
    };
    tls::gathered(validation.ca_certificate_refs.iter().enumerate().map(of))
}

/// What `status` of each policy is to say. How it stands at its targets has been told before.
pub(super) fn conditions(judged: Vec<Judged<'_>>, remarks: &Remarks) -> Vec<RouteCondition> {
    let of = |Judged { manifest, broken }: Judged<'_>| {
        let policy = ObjectRef::from(&manifest.key());
        let told = remarks.attachments.iter().filter(|it| it.policy == policy);
        let parents = told.map(|told| {
            let holds = told.reason == AttachmentReason::Accepted;
            let status = if holds { ConditionStatus::True } else { ConditionStatus::False };
            let parent = ParentReference {
                group: String::new(),
                kind: told.target.kind.to_string(),
                namespace: Some(told.target.namespace.clone()),
                name: told.target.name.clone(),
                section_name: told.section.clone(),
                port: None,
            };
            let accepted = (status, told.reason.as_str(), told.message.clone());
            condition::at(manifest, parent, accepted, condition::resolved(broken.clone()))
        });
        let status = RouteStatus { parents: parents.collect() };
        RouteCondition { object: policy, status }
    };
    judged.into_iter().map(of).collect()
}
