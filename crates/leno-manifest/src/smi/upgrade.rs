//! Older versions of SMI, turned into the shape of the newest before anything else looks at them.
//!
//! | kind | version | what was different |
//! |---|---|---|
//! | TrafficTarget | v1alpha1 | no `spec`: `destination`, `sources` and `specs` (now `spec.rules`) at the top |
//! | TrafficTarget | v1alpha1, v1alpha2 | `destination.port`; now a TCPRoute's `matches.ports` |
//! | HTTPRouteGroup | v1alpha1, v1alpha2 | no `spec`: `matches` at the top |
//! | TCPRoute | v1alpha1, v1alpha2 | nothing in it |
//! | TrafficSplit | v1alpha1 | weights are quantities: `1`, `500m` |
//!
//! Positions stay those of the text. Paths in messages are those of the newest version.

use crate::{
    Kind,
    yaml::{Content, Entry, Node},
};

/// What could not be turned.
pub(crate) struct UpgradeError {
    pub(crate) field: String,
    pub(crate) expected: String,
    pub(crate) fix: String,
}

/// The versions before the newest that are read.
pub(crate) fn older_versions(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::TrafficTarget => &["v1alpha2", "v1alpha1"],
        Kind::HttpRouteGroup | Kind::TcpRoute | Kind::TrafficSplit => &["v1alpha3", "v1alpha2", "v1alpha1"],
        // These are the same in every version.
        Kind::HttpRoute => &["v1beta1"],
        Kind::TlsRoute => &["v1alpha3", "v1alpha2"],
        Kind::ReferenceGrant => &["v1"],
        Kind::BackendTlsPolicy => &["v1alpha3"],
        Kind::Namespace
        | Kind::ServiceAccount
        | Kind::Service
        | Kind::EndpointSlice
        | Kind::Pod
        | Kind::ConfigMap
        | Kind::Secret
        | Kind::Deployment
        | Kind::StatefulSet
        | Kind::UdpRoute
        | Kind::GrpcRoute
        | Kind::GatewayTcpRoute
        | Kind::MeshConfig
        | Kind::AccessPolicy
        | Kind::EgressPolicy
        | Kind::TrafficPolicy => &[],
    }
}

/// The object in the newest version's shape.
pub(crate) fn upgrade(kind: Kind, version: &str, mut node: Node) -> (Node, Vec<UpgradeError>) {
    let mut errors = Vec::new();
    match (kind, version) {
        (Kind::TrafficTarget, "v1alpha1" | "v1alpha2") => {
            into_spec(&mut node, &["destination", "sources", "specs", "rules"]);
            let spec = node.get_mut("spec");
            if let Some(Content::Map(entries)) = spec.map(|spec| &mut spec.content) {
                entries.iter_mut().filter(|entry| entry.key == "specs").for_each(|entry| entry.key = "rules".into());
            }
            whole_port(&mut node);
        }
        (Kind::TrafficTarget, _) => {
            let destination = node.get("spec").and_then(|spec| spec.get("destination"));
            if destination.is_some_and(|it| it.get("port").is_some()) {
                errors.push(UpgradeError {
                    field: "spec.destination.port".into(),
                    expected: "no port (since v1alpha3)".into(),
                    fix: "name the port in matches.ports of a TCPRoute, and that TCPRoute in rules".into(),
                });
            }
        }
        (Kind::HttpRouteGroup, "v1alpha1" | "v1alpha2") => into_spec(&mut node, &["matches"]),
        (Kind::TrafficSplit, "v1alpha1") => whole_weights(&mut node, &mut errors),
        (_, _) => {}
    }
    (node, errors)
}

/// Moves fields of the top into `spec`, unless there is one.
fn into_spec(node: &mut Node, fields: &[&str]) {
    let mark = node.mark;
    let Content::Map(entries) = &mut node.content else {
        return;
    };
    if entries.iter().any(|entry| entry.key == "spec") {
        return;
    }
    let (inner, outer): (Vec<_>, Vec<_>) =
        std::mem::take(entries).into_iter().partition(|entry| fields.contains(&entry.key.as_str()));
    let mark = inner.first().map_or(mark, |entry| entry.mark);
    *entries = outer;
    entries.push(Entry { key: "spec".into(), mark, value: Node { mark, content: Content::Map(inner) } });
}

/// The port of a destination was a text at first.
fn whole_port(node: &mut Node) {
    let destination = node.get_mut("spec").and_then(|spec| spec.get_mut("destination"));
    let Some(port) = destination.and_then(|destination| destination.get_mut("port")) else {
        return;
    };
    if let Some(number) = port.as_str().and_then(|text| text.parse::<u16>().ok()) {
        port.content = Content::Int(number.into(), number.to_string());
    }
}

/// Turns quantities into whole numbers of the same proportions: thousandths.
fn whole_weights(node: &mut Node, errors: &mut Vec<UpgradeError>) {
    let backends = node.get_mut("spec").and_then(|spec| spec.get_mut("backends"));
    let Some(Content::List(backends)) = backends.map(|backends| &mut backends.content) else {
        return;
    };
    for (index, backend) in backends.iter_mut().enumerate() {
        let Some(weight) = backend.get_mut("weight") else {
            continue;
        };
        let text = match &weight.content {
            Content::Int(_, text) | Content::Float(_, text) | Content::String(text) => text.clone(),
            // The comparison with the schema says what is wrong with these.
            Content::Null | Content::Bool(..) | Content::List(_) | Content::Map(_) => continue,
        };
        match thousandths(&text) {
            Some(value) => weight.content = Content::Int(value.into(), text),
            None => {
                errors.push(UpgradeError {
                    field: format!("spec.backends[{index}].weight"),
                    expected: "a quantity from 0 to 4000000 such as 1, 0.5 or 500m".into(),
                    fix: String::new(),
                });
                // Told once; the comparison with the schema should not say it again.
                weight.content = Content::Int(0, text);
            }
        }
    }
}

/// A quantity of Kubernetes in thousandths; `None` when it is none or out of range.
fn thousandths(text: &str) -> Option<u32> {
    let (number, scale) = match text.strip_suffix('m') {
        Some(number) => (number, 1.0),
        None => match text.strip_suffix('k') {
            Some(number) => (number, 1e6),
            None => (text, 1e3),
        },
    };
    if !number.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let value = number.parse::<f64>().ok()? * scale;
    // Rounded up, as Kubernetes rounds what is finer than it can hold.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
    (0.0..=4e9).contains(&value).then(|| value.ceil() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_keep_their_proportions() {
        for (text, value) in [("1", 1000), ("500m", 500), ("0.5", 500), ("0", 0), ("1k", 1_000_000), ("1e1", 10_000)] {
            assert_eq!(thousandths(text), Some(value), "{text}");
        }
        for text in ["", "-1", "m", "1x", "1e10", "inf", "NaN"] {
            assert_eq!(thousandths(text), None, "{text}");
        }
    }
}
