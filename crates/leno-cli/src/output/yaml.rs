//! Objects as YAML. Strings that YAML could take for something else are written as JSON strings, which YAML knows too.

use serde_json::Value;

/// A document.
pub(crate) fn document(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value, 0, false);
    out
}

/// Writes a value; `inline` when the line has begun already (after `- `).
fn write(out: &mut String, value: &Value, indent: usize, inline: bool) {
    let pad = |out: &mut String, first: bool| {
        if !(first && inline) {
            out.push_str(&" ".repeat(indent));
        }
    };
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (at, (key, value)) in map.iter().enumerate() {
                pad(out, at == 0);
                out.push_str(&string(key));
                out.push(':');
                child(out, value, indent);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (at, item) in items.iter().enumerate() {
                pad(out, at == 0);
                out.push_str("- ");
                if is_nested(item) { write(out, item, indent + 2, true) } else { scalar(out, item) }
            }
        }
        other => {
            pad(out, true);
            scalar(out, other);
        }
    }
}

fn child(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            write(out, value, indent + 2, false);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            // Kubernetes' own tools do not indent lists below their key.
            write(out, value, indent, false);
        }
        other => {
            out.push(' ');
            scalar(out, other);
        }
    }
}

fn is_nested(value: &Value) -> bool {
    match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn scalar(out: &mut String, value: &Value) {
    match value {
        Value::String(text) => out.push_str(&string(text)),
        other => out.push_str(&other.to_string()),
    }
    out.push('\n');
}

fn string(text: &str) -> String {
    let is_word = text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./ $()=,%+".contains(c))
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && !text.ends_with(' ');
    let means_more = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"];
    if is_word && !means_more.contains(&text.to_ascii_lowercase().as_str()) {
        text.to_owned()
    } else {
        Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let object = serde_json::json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "b", "labels": {}},
            "data": {"number": "12", "truth": "no", "text": "a: b\n- c", "plain": "hello there", "empty": "",
                "list": "[1]", "version": "1.10", "quote": "it's \"so\"", "e": "1e3", "tilde": "~"},
        });
        let text = document(&object);
        assert!(text.starts_with("apiVersion: v1\n"), "{text}");
        let reading = leno_manifest::read("x.yaml", &text);
        assert!(reading.invalid.is_empty(), "{:?}\n{text}", reading.invalid);
        assert_eq!(reading.manifests[0].object.to_json()["data"], object["data"]);
    }

    #[test]
    fn lists_of_maps_are_written_as_kubernetes_writes_them() {
        let value = serde_json::json!({"ports": [{"name": "http", "port": 80}, {"port": 81}], "none": []});
        assert_eq!(document(&value), "none: []\nports:\n- name: http\n  port: 80\n- port: 81\n");
    }
}
