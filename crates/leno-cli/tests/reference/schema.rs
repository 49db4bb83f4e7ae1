//! Fields of a kind, from the schema of its type.

use serde_json::Value;

use crate::page::{Table, code, codes, flat};

/// What holds where a field is not given.
#[derive(Clone, Copy)]
pub(crate) enum Defaults<'a> {
    /// This: a comment that tells another default is wrong.
    Are(&'a Value),
    /// What the comments tell.
    AreTold,
}

/// A row for each field, in the order of their declaration; those of a map after it.
pub(crate) fn rows(table: &mut Table, path: &str, schema: &Value, defaults: Defaults<'_>) {
    for (name, field) in schema["properties"].as_object().expect("a map has fields") {
        let full = format!("{path}{name}");
        let told = told_default(field["description"].as_str().expect("every field is documented"));
        let (defaults, default) = match defaults {
            Defaults::Are(values) => {
                let value = &values[name];
                if let Some(told) = &told.1 {
                    assert_eq!(
                        *told,
                        shown(value),
                        "the comment of {full} tells another default than the one that holds"
                    );
                }
                let nothing = value.is_null() || value == &Value::Array(Vec::new());
                (Defaults::Are(value), if nothing { "none".to_owned() } else { code(&shown(value)) })
            }
            Defaults::AreTold => (Defaults::AreTold, told.1.as_deref().map(code).unwrap_or_default()),
        };
        let field = inner(field);
        let required = schema["required"].as_array().is_some_and(|it| it.contains(&Value::String(name.clone())));
        let default = match defaults {
            Defaults::AreTold if required => "required".to_owned(),
            Defaults::AreTold | Defaults::Are(_) => default,
        };
        if field["properties"].is_object() {
            let default = if default == "required" { "required" } else { "" };
            table.row(&[&code(&full), "map", default, &told.0]);
            rows(table, &format!("{full}."), field, defaults);
            continue;
        }
        let meaning = format!("{}{}", told.0, choices(field));
        table.row(&[&code(&full), &kind(field), &default, &meaning]);
        if field["items"]["properties"].is_object() {
            rows(table, &format!("{full}[]."), &field["items"], defaults);
        }
    }
}

/// An optional field's own schema.
fn inner(schema: &Value) -> &Value {
    let own = |it: &&Value| it["type"] != "null";
    let alternatives: Vec<_> = schema["anyOf"].as_array().into_iter().flatten().filter(own).collect();
    match alternatives.as_slice() {
        [one] => one,
        _ => schema,
    }
}

/// A comment apart from what it says about the default.
fn told_default(comment: &str) -> (String, Option<String>) {
    let comment = flat(comment);
    match comment.strip_suffix(" when not given.").and_then(|rest| rest.rsplit_once("; ")) {
        Some((meaning, default)) if default.starts_with('`') && default.ends_with('`') || !default.contains(' ') => {
            (format!("{meaning}."), Some(default.trim_matches('`').to_owned()))
        }
        Some(_) | None => (comment, None),
    }
}

fn shown(default: &Value) -> String {
    default.as_str().map_or_else(|| default.to_string(), str::to_owned)
}

/// The words that a field may have, each with its meaning.
fn choices(schema: &Value) -> String {
    let each = words(schema).into_iter().filter_map(|choice| {
        let meaning = choice["description"].as_str()?.trim_end_matches('.');
        Some(format!("`{}`: {meaning}", shown(&choice["const"])))
    });
    each.map(|choice| format!(" {choice}.")).collect()
}

fn words(schema: &Value) -> Vec<&Value> {
    let own = [schema, &schema["items"]].into_iter();
    let all = own.flat_map(|it| it["oneOf"].as_array().into_iter().flatten());
    all.filter(|choice| choice.get("const").is_some()).collect()
}

fn kind(schema: &Value) -> String {
    if schema["x-kubernetes-int-or-string"] == true {
        return "integer or string".into();
    }
    let words = words(schema);
    let list = schema["items"].is_object();
    if !words.is_empty() {
        let words = codes(words.into_iter().filter_map(|it| it["const"].as_str()));
        return if list { format!("list of {words}") } else { words };
    }
    let word = |value: &Value| match value {
        Value::Array(words) => words.iter().filter_map(Value::as_str).find(|it| *it != "null").map(str::to_owned),
        value => value.as_str().map(str::to_owned),
    };
    let plural = |items: &Value| match word(&items["type"]).as_deref() {
        Some("object") => "maps".to_owned(),
        Some(word) => format!("{word}s"),
        None => words_of(items),
    };
    match word(&schema["type"]).as_deref() {
        Some("array") => format!("list of {}", plural(&schema["items"])),
        Some("object") => format!("map of {}", plural(&schema["additionalProperties"])),
        Some(word) => word.to_owned(),
        None => words_of(schema),
    }
}

/// The words of an enum whose members are not described one by one.
fn words_of(schema: &Value) -> String {
    let words = schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let words = codes(words);
    assert!(!words.is_empty(), "no type in {schema}");
    words
}
