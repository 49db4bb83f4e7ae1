//! Custom resource definitions, printed from the same types that manifests are read into.

use serde_json::{Value, json};

use crate::{Kind, schema, smi::upgrade, yaml::write};

/// Kinds that Kubernetes does not have by itself.
pub const KINDS: &[Kind] = &[
    Kind::MeshConfig,
    Kind::TrafficPolicy,
    Kind::AccessPolicy,
    Kind::EgressPolicy,
    Kind::TrafficTarget,
    Kind::HttpRouteGroup,
    Kind::TcpRoute,
    Kind::UdpRoute,
    Kind::TrafficSplit,
];

/// What the first line of every printed file says.
const HEAD: &str =
    "# Printed from the types in crates/leno-manifest; do not edit. UPDATE_CRDS=1 cargo test -p leno-manifest\n";

/// The file name of a kind's definition in `deploy/crds`.
#[must_use]
pub fn file_name(kind: Kind) -> String {
    format!("{}_{}.yaml", kind.group(), kind.plural())
}

/// The definition of a kind, as YAML.
#[must_use]
pub fn print(kind: Kind) -> String {
    format!("{HEAD}{}", write::document(&definition(kind)))
}

fn definition(kind: Kind) -> Value {
    let mut versions = vec![version(kind, kind.version(), true)];
    versions.extend(upgrade::older_versions(kind).iter().map(|name| version(kind, name, false)));
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{}.{}", kind.plural(), kind.group()) },
        "spec": {
            "group": kind.group(),
            "names": {
                "kind": kind.as_str(),
                "listKind": format!("{}List", kind.as_str()),
                "plural": kind.plural(),
                "singular": kind.as_str().to_lowercase(),
                "shortNames": kind.short_names(),
            },
            "scope": if kind.is_namespaced() { "Namespaced" } else { "Cluster" },
            "versions": versions,
        },
    })
}

fn version(kind: Kind, name: &str, newest: bool) -> Value {
    let mut openapi = schema::of(kind).to_openapi();
    let any = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    if newest {
        // Kubernetes checks metadata by itself and allows only this of it.
        openapi["properties"]["metadata"] = json!({ "type": "object" });
        if kind == Kind::TrafficTarget {
            remove_ports(&mut openapi["properties"]["spec"]["properties"]);
        }
        openapi["properties"]["apiVersion"] = json!({ "type": "string" });
        openapi["properties"]["kind"] = json!({ "type": "string" });
        // Names are asked for by Kubernetes itself.
        let required = openapi["required"].as_array().into_iter().flatten();
        let required: Vec<_> = required.filter(|field| *field != "metadata").cloned().collect();
        match openapi.as_object_mut() {
            Some(openapi) if required.is_empty() => drop(openapi.remove("required")),
            _ => openapi["required"] = required.into(),
        }
    } else {
        openapi = any;
    }
    json!({
        "name": name,
        "served": true,
        "storage": newest,
        "deprecated": !newest,
        "schema": { "openAPIV3Schema": openapi },
    })
}

/// `port` belongs to older versions only.
fn remove_ports(spec: &mut Value) {
    for path in ["/destination/properties", "/sources/items/properties"] {
        if let Some(properties) = spec.pointer_mut(path).and_then(Value::as_object_mut) {
            properties.remove("port");
        }
    }
}
