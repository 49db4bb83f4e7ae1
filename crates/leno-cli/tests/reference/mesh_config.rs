//! `meshconfig.md`.

use leno_manifest::leno::{
    MeshConfig,
    mesh_config::{MeshConfigSpec, NAME},
};
use leno_model::MeshConfig as Model;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::page::{Table, code, codes, flat};

pub(crate) fn page() -> String {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<MeshConfig>();
    let spec = MeshConfigSpec::from(&Model::default());
    let defaults = serde_json::to_value(spec).expect("a spec is JSON");
    let mut table = Table::new(&["field of `spec`", "type", "default", "what it does"]);
    rows(&mut table, "", field(schema.as_value(), "spec"), &defaults);
    format!(
        "# MeshConfig\n\n\
         What holds for the whole mesh. There is one, named `{NAME}`; without one every default holds. A change takes effect \
         on running sidecars, except `trustDomain`, `logLevel` and `interception`, which a pod gets at its start; \
         `certificateLifetime` with each next certificate.\n\n\
         ```yaml\n\
         apiVersion: policy.leno.dev/v1alpha1\n\
         kind: MeshConfig\n\
         metadata: {{ name: {NAME} }}\n\
         spec: {{ mtls: Permissive }}\n\
         ```\n\n\
         {}\
         The lists of `interception` hold for every pod with a sidecar; [annotations](annotations.md) of a pod add to them.\n",
        table.markdown()
    )
}

/// A row for each field, in the order of their declaration; those of a map after it.
fn rows(table: &mut Table, path: &str, schema: &Value, defaults: &Value) {
    for (name, schema) in schema["properties"].as_object().expect("a map has fields") {
        let full = format!("{path}{name}");
        let default = &defaults[name];
        let (meaning, told) = told_default(schema["description"].as_str().expect("every field is documented"));
        if let Some(told) = told {
            assert_eq!(told, shown(default), "the comment of {full} tells another default than the one that holds");
        }
        if schema["properties"].is_object() {
            table.row(&[&code(&full), "map", "", &meaning]);
            rows(table, &format!("{full}."), schema, default);
            continue;
        }
        let nothing = default.is_null() || default == &Value::Array(Vec::new());
        let default = if nothing { "none".to_owned() } else { code(&shown(default)) };
        let meaning = format!("{meaning}{}", choices(schema));
        table.row(&[&code(&full), &kind(schema), &default, &meaning]);
    }
}

/// A comment apart from what it says about the default.
fn told_default(comment: &str) -> (String, Option<String>) {
    let comment = flat(comment);
    match comment.strip_suffix(" when not given.").and_then(|rest| rest.rsplit_once("; ")) {
        Some((meaning, default)) => (format!("{meaning}."), Some(default.trim_matches('`').to_owned())),
        None => (comment, None),
    }
}

fn shown(default: &Value) -> String {
    default.as_str().map_or_else(|| default.to_string(), str::to_owned)
}

/// The words that a field may have, each with its meaning.
fn choices(schema: &Value) -> String {
    let each = words(schema).into_iter().map(|choice| {
        let meaning = choice["description"].as_str().expect("every word is documented").trim_end_matches('.');
        format!("`{}`: {meaning}", shown(&choice["const"]))
    });
    each.map(|choice| format!(" {choice}.")).collect()
}

fn words(schema: &Value) -> Vec<&Value> {
    // An optional field is its type or null.
    let alternatives = schema["anyOf"].as_array().into_iter().flatten();
    let all = alternatives.chain([schema]).flat_map(|it| it["oneOf"].as_array().into_iter().flatten());
    all.filter(|choice| choice.get("const").is_some()).collect()
}

fn kind(schema: &Value) -> String {
    let words = words(schema);
    if !words.is_empty() {
        return codes(words.into_iter().filter_map(|it| it["const"].as_str()));
    }
    let word = |value: &Value| match value {
        Value::Array(words) => words.iter().filter_map(Value::as_str).find(|it| *it != "null").map(str::to_owned),
        value => value.as_str().map(str::to_owned),
    };
    match (word(&schema["type"]).as_deref(), schema["items"]["type"].as_str()) {
        (Some("array"), Some(items)) => format!("list of {items}s"),
        (Some(word), _) => word.to_owned(),
        (None, _) => panic!("no type in {schema}"),
    }
}

fn field<'a>(schema: &'a Value, name: &str) -> &'a Value {
    &schema["properties"][name]
}
