//! Custom resource definitions, printed from the same types that manifests are read into.

use serde_json::{Value, json};

use crate::{Kind, schema, smi::upgrade};

/// Kinds that Kubernetes does not have by itself.
pub const KINDS: &[Kind] = &[
    Kind::MeshConfig,
    Kind::TrafficTarget,
    Kind::HttpRouteGroup,
    Kind::TcpRoute,
    Kind::UdpRoute,
    Kind::TrafficSplit,
];

/// What the first line of every printed file says.
const HEAD: &str = "# Printed from the types in crates/leno-manifest; do not edit. UPDATE_CRDS=1 cargo test -p leno-manifest\n";

/// The file name of a kind's definition in `deploy/crds`.
#[must_use]
pub fn file_name(kind: Kind) -> String {
    format!("{}_{}.yaml", kind.group(), kind.plural())
}

/// The definition of a kind, as YAML.
#[must_use]
pub fn print(kind: Kind) -> String {
    let mut out = HEAD.to_owned();
    write_yaml(&mut out, &definition(kind), 0);
    out
}

fn definition(kind: Kind) -> Value {
    let mut versions = vec![version(kind, kind.version(), true)];
    versions.extend(
        upgrade::older_versions(kind)
            .iter()
            .map(|name| version(kind, name, false)),
    );
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
        let required = openapi["required"].as_array().cloned().unwrap_or_default();
        openapi["required"] = required
            .into_iter()
            .filter(|field| field != "metadata")
            .collect();
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

fn write_yaml(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                out.push_str(&format!("{:indent$}{}:", "", plain_or_quoted(key)));
                write_after_key(out, value, indent);
            }
        }
        Value::Array(items) => {
            for item in items {
                out.push_str(&format!("{:indent$}-", ""));
                match item {
                    Value::Object(map) if !map.is_empty() => {
                        let mut inner = String::new();
                        write_yaml(&mut inner, item, indent + 2);
                        out.push(' ');
                        out.push_str(inner.trim_start());
                    }
                    Value::Object(_)
                    | Value::Array(_)
                    | Value::Null
                    | Value::Bool(_)
                    | Value::Number(_)
                    | Value::String(_) => {
                        write_after_key(out, item, indent);
                    }
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            write_after_key(out, value, indent)
        }
    }
}

fn write_after_key(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            write_yaml(out, value, indent + 2);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            write_yaml(out, value, indent);
        }
        Value::String(text) => {
            out.push_str(&format!(" {}\n", plain_or_quoted(text)));
        }
        Value::Object(_) | Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {
            out.push_str(&format!(" {value}\n"));
        }
    }
}

/// A text as a YAML scalar: without quotes where it means the same.
fn plain_or_quoted(text: &str) -> String {
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let letters = text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "-_./ ,()`'".contains(c));
    let is_text = matches!(
        crate::yaml::scalar::resolve(text),
        crate::yaml::Content::String(_)
    );
    if starts && letters && is_text && !text.ends_with(' ') {
        text.to_owned()
    } else {
        Value::from(text).to_string()
    }
}
