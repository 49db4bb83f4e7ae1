//! Values to YAML, as `kubectl get -o yaml` shows them.

use serde_json::Value;

use crate::{Content, scalar};

/// A value as one document of YAML.
#[must_use]
pub fn document(value: &Value) -> String {
    let mut out = String::new();
    write_yaml(&mut out, value, 0);
    out
}

fn write_yaml(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                out.push_str(&format!("{:indent$}{}:", "", plain_or_quoted(key)));
                write_after_key(out, value, indent);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                let mut inner = String::new();
                write_yaml(&mut inner, item, indent + 2);
                out.push_str(&format!("{:indent$}- {}", "", inner.trim_start()));
            }
        }
        Value::Object(_) | Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {
            out.push_str(&format!("{:indent$}{value}\n", ""));
        }
        Value::String(text) => out.push_str(&format!("{:indent$}{}\n", "", plain_or_quoted(text))),
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
        Value::Object(_) | Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            out.push(' ');
            write_yaml(out, value, 0);
        }
    }
}

/// A text as a YAML scalar: without quotes where it means the same, else as JSON writes it, which is YAML as well.
fn plain_or_quoted(text: &str) -> String {
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let letters = text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./ ,()`'".contains(c));
    let is_text = matches!(scalar::resolve(text), Content::String(_));
    if starts && letters && is_text && !text.ends_with(' ') {
        return text.to_owned();
    }
    // These end a line in YAML 1.1, or are not printable there.
    let special =
        |c: char| matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}');
    let mut quoted = String::new();
    for letter in Value::from(text).to_string().chars() {
        if special(letter) {
            quoted.push_str(&format!("\\u{:04x}", u32::from(letter)));
        } else {
            quoted.push(letter);
        }
    }
    quoted
}
