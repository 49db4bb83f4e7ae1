//! Where routes lead.

use std::collections::BTreeMap;

use leno_manifest::{
    Manifest,
    gateway::{BackendReference, ReferenceGrant},
};
use leno_model::{Invalid, Protocol, Service, ServiceName, route::Backend};

use super::{Unresolved, referrer};
use crate::Objects;

/// What is spoken with a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Payload {
    Requests,
    Bytes,
}

/// Why something is not there, for programs and for people.
type Missing = (Unresolved, String);

/// Resolves what one route names, and gathers what is not there and what is not supported.
pub(super) struct Resolver<'a> {
    pub(super) objects: &'a Objects,
    pub(super) services: &'a BTreeMap<&'a ServiceName, &'a Service>,
    pub(super) manifest: &'a Manifest,
    pub(super) unresolved: Vec<(Unresolved, String)>,
    pub(super) unsupported: Vec<Invalid>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(
        objects: &'a Objects,
        services: &'a BTreeMap<&'a ServiceName, &'a Service>,
        manifest: &'a Manifest,
    ) -> Self {
        Self { objects, services, manifest, unresolved: Vec::new(), unsupported: Vec::new() }
    }

    /// Notes what Leno does not do.
    pub(super) fn unsupported(&mut self, field: &str, expected: &str, fix: &str) {
        self.unsupported.push(self.manifest.invalid(field, expected, fix));
    }

    /// Notes what is not there.
    pub(super) fn missing(&mut self, reason: Unresolved, text: String) {
        self.unresolved.push((reason, text));
    }

    /// The backend that a reference means.
    pub(super) fn backend(&mut self, reference: &BackendReference, at: &str, payload: Payload) -> Backend {
        match self.find(reference, payload) {
            Ok((service, port)) => Backend::Service(service, port),
            Err((reason, text)) => {
                self.missing(reason, format!("{at} {text}"));
                Backend::Unresolved
            }
        }
    }

    fn find(&self, reference: &BackendReference, payload: Payload) -> Result<(ServiceName, u16), Missing> {
        if !reference.is_service() {
            let text = format!(
                "names a {} of the group {:?}, and only Services can be reached",
                reference.kind, reference.group
            );
            return Err((Unresolved::InvalidKind, text));
        }
        let own = self.manifest.object.namespace();
        let name = ServiceName::new(reference.namespace.as_deref().unwrap_or(own), &reference.name);
        if !self.may_refer(&name) {
            let text = format!("names the service {name} of another namespace, which no ReferenceGrant there allows");
            return Err((Unresolved::RefNotPermitted, text));
        }
        let service = self.services.get(&name);
        let service = service
            .ok_or_else(|| (Unresolved::BackendNotFound, format!("names the service {name}, which is not there")))?;
        // Its absence is refused with the manifest.
        let number = reference.port.unwrap_or_default();
        let port = service.port(number);
        let port = port.ok_or_else(|| {
            (Unresolved::BackendNotFound, format!("names the port {number}, which the service {name} does not have"))
        })?;
        let speaks = match (port.protocol, payload) {
            (Protocol::Http | Protocol::Http2, Payload::Requests)
            | (Protocol::Tcp, Payload::Bytes)
            | (Protocol::Detect, _) => true,
            (Protocol::Http | Protocol::Http2, Payload::Bytes)
            | (Protocol::Tcp, Payload::Requests)
            | (Protocol::Udp, _) => false,
        };
        if !speaks {
            let wanted = if payload == Payload::Requests { "HTTP" } else { "bytes" };
            let text = format!("names {name}:{number}, which is declared to carry something else than {wanted}");
            return Err((Unresolved::UnsupportedProtocol, text));
        }
        Ok((name, number))
    }

    /// Whether the route may refer to a service: of its own namespace, of that of a service it is attached to (routes of
    /// consumers lead back to it), or by a grant.
    fn may_refer(&self, service: &ServiceName) -> bool {
        let (group, kind, own) = referrer(self.manifest);
        let of_parent = || {
            let parents = super::parent_refs(&self.manifest.object);
            let services = parents.iter().filter(|parent| parent.is_service());
            services.map(|parent| parent.namespace.as_deref().unwrap_or(own)).any(|it| it == service.namespace)
        };
        let granted = || {
            let grants = self.objects.all::<ReferenceGrant>().map(|(_, grant)| grant);
            grants
                .filter(|grant| grant.metadata.namespace == service.namespace)
                .any(|grant| grant.lets_service(group, kind, own, &service.name))
        };
        service.namespace == own || of_parent() || granted()
    }
}
