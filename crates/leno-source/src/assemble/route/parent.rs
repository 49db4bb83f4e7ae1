//! What routes attach to.

use std::collections::BTreeMap;

use leno_manifest::{core::Service as ServiceObject, gateway::ParentReference};
use leno_model::{
    Protocol, ServiceName,
    route::{Parent, Rules},
};

use super::{Candidate, backend::Resolver};

/// What became of a route at one parent.
pub(super) struct Attachment {
    /// The service ports that it routes.
    pub(super) ports: Vec<Parent>,
    /// Why there are none, or not all that were meant: the Gateway API's word, and a text for people.
    pub(super) problem: Option<(&'static str, String)>,
}

impl Attachment {
    fn none(text: String) -> Self {
        Self { ports: Vec::new(), problem: Some(("NoMatchingParent", text)) }
    }
}

/// The ports of a service that a route is meant for.
pub(super) fn attach(parent: &ParentReference, rules: &Rules, resolver: &Resolver<'_>) -> Attachment {
    let namespace = parent.namespace.as_deref().unwrap_or(resolver.manifest.object.namespace());
    let name = ServiceName::new(namespace, &parent.name);
    let object = resolver.objects.find::<ServiceObject>(namespace, &parent.name);
    let (Some(object), Some(service)) = (object, resolver.services.get(&name)) else {
        return Attachment::none(format!("its parent, the service {name}, is not there"));
    };
    if object.spec.cluster_ip.as_deref() == Some("None") {
        let text = "has no address of its own (clusterIP None): clients dial its pods, which routes do not see";
        return Attachment::none(format!("its parent, the service {name}, {text}"));
    }
    let meant = |port: &&leno_model::ServicePort| {
        parent.port.is_none_or(|number| number == port.port)
            && parent.section_name.as_ref().is_none_or(|section| *section == port.name)
    };
    let mut meant = service.ports.iter().filter(meant).peekable();
    if meant.peek().is_none() {
        return Attachment::none(format!("its parent, the service {name}, has no such port"));
    }
    let fits = |protocol| match protocol {
        Protocol::Http | Protocol::Http2 => rules.is_of_requests(),
        Protocol::Tcp => !rules.is_of_requests(),
        Protocol::Detect => true,
        Protocol::Udp => false,
    };
    let ports: Vec<_> = meant
        .filter(|port| fits(port.protocol))
        .map(|port| Parent { service: name.clone(), port: port.port })
        .collect();
    if ports.is_empty() {
        let what = if rules.is_of_requests() {
            "requests, and they carry bytes"
        } else {
            "connections of bytes, and they carry HTTP"
        };
        return Attachment::none(format!(
            "it routes {what} at the ports of {name} that it is meant for (appProtocol, or the port's name, says so)"
        ));
    }
    Attachment { ports, problem: None }
}

/// A service port, and the namespace whose clients alone are meant.
type Place = (Parent, Option<String>);

/// Of several kinds at one service port, for the same clients, only the first is in force: GRPCRoute, HTTPRoute,
/// TLSRoute, TCPRoute (GEP-1294). Routes that are not accepted do not count.
pub(super) fn settle(candidates: &mut [Candidate<'_>]) {
    let mut winners: BTreeMap<Place, (u8, String)> = BTreeMap::new();
    for candidate in candidates.iter().filter(|candidate| candidate.unsupported.is_empty()) {
        let rank = rank(&candidate.rules);
        for port in candidate.attachments.iter().flat_map(|(_, attachment)| &attachment.ports) {
            let winner = winners.entry((port.clone(), audience(candidate, port))).or_insert_with(|| named(candidate));
            if rank < winner.0 {
                *winner = named(candidate);
            }
        }
    }
    for candidate in candidates {
        let rank = rank(&candidate.rules);
        let namespace = candidate.manifest.object.namespace().to_owned();
        for (_, attachment) in &mut candidate.attachments {
            let mut lost: Option<(String, Parent)> = None;
            attachment.ports.retain(|port| {
                let audience = (namespace != port.service.namespace).then(|| namespace.clone());
                let winner = winners.get(&(port.clone(), audience)).filter(|winner| winner.0 < rank);
                if let Some((_, name)) = winner {
                    lost = Some((name.clone(), port.clone()));
                }
                winner.is_none()
            });
            if let Some((winner, port)) = lost {
                let text = format!("{winner} is attached to {}:{}, too, and wins by its kind", port.service, port.port);
                attachment.problem = Some(("Conflicted", text));
            }
        }
    }
}

fn audience(candidate: &Candidate<'_>, port: &Parent) -> Option<String> {
    let namespace = candidate.manifest.object.namespace();
    (namespace != port.service.namespace).then(|| namespace.to_owned())
}

fn named(candidate: &Candidate<'_>) -> (u8, String) {
    (rank(&candidate.rules), candidate.manifest.key().to_string())
}

fn rank(rules: &Rules) -> u8 {
    match rules {
        Rules::Grpc(_) => 0,
        Rules::Http(_) => 1,
        Rules::Tls(_) => 2,
        Rules::Tcp(_) => 3,
    }
}
