//! The shape of each kind, derived from its type: for checking every field of a manifest at once, and for CRDs.

use std::{collections::BTreeMap, sync::OnceLock};

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use crate::Kind;

/// What a value must look like.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Schema {
    /// What it means, for people.
    pub(crate) description: String,
    /// Its shape.
    pub(crate) shape: Shape,
}

/// The shape of a value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    /// Anything.
    Any,
    /// True or false.
    Bool,
    /// A whole number within bounds.
    Int { min: i128, max: i128 },
    /// Any text.
    String,
    /// One of these texts.
    Enum(Vec<String>),
    /// A whole number or a text.
    IntOrString,
    /// A list.
    List(Box<Schema>),
    /// A map with any keys.
    Map(Box<Schema>),
    /// A map with these keys.
    Struct { fields: BTreeMap<String, Schema>, required: Vec<String> },
    /// One of several shapes, and how to say that to people.
    OneOf { shapes: Vec<Schema>, expected: String },
}

/// The schema of a kind.
pub(crate) fn of(kind: Kind) -> &'static Schema {
    static SCHEMAS: OnceLock<BTreeMap<Kind, Schema>> = OnceLock::new();
    let schemas = SCHEMAS.get_or_init(|| Kind::ALL.iter().map(|kind| (*kind, generate(*kind))).collect());
    // Every kind is in the map; an unknown one would be anything.
    static ANY: Schema = Schema { description: String::new(), shape: Shape::Any };
    schemas.get(&kind).unwrap_or(&ANY)
}

fn generate(kind: Kind) -> Schema {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    read(kind.schema(settings.into_generator()).as_value())
}

/// Reads a JSON schema as schemars writes it.
fn read(value: &Value) -> Schema {
    let description = value.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
    Schema { description, shape: shape(value) }
}

fn shape(value: &Value) -> Shape {
    if value.get("x-kubernetes-int-or-string").is_some() {
        return Shape::IntOrString;
    }
    if let Some(shapes) = value.get("x-leno-one-of").and_then(Value::as_array) {
        let expected = value.get("x-leno-expected").and_then(Value::as_str).unwrap_or_default().to_owned();
        return Shape::OneOf { shapes: shapes.iter().map(read).collect(), expected };
    }
    if let Some(choices) = value.get("oneOf").or_else(|| value.get("anyOf")).and_then(Value::as_array) {
        return choice(choices);
    }
    if let Some(word) = value.get("const").and_then(Value::as_str) {
        return Shape::Enum(vec![word.to_owned()]);
    }
    if let Some(words) = value.get("enum").and_then(Value::as_array) {
        return Shape::Enum(words.iter().filter_map(Value::as_str).map(str::to_owned).collect());
    }
    match type_of(value) {
        Some("boolean") => Shape::Bool,
        Some("integer") => integer(value),
        Some("string") => Shape::String,
        Some("array") => Shape::List(Box::new(value.get("items").map_or(ANY, read))),
        Some("object") => object(value),
        _ => Shape::Any,
    }
}

const ANY: Schema = Schema { description: String::new(), shape: Shape::Any };

/// The type, `null` beside another one left out.
fn type_of(value: &Value) -> Option<&str> {
    match value.get("type")? {
        Value::String(word) => Some(word),
        Value::Array(words) => words.iter().filter_map(Value::as_str).find(|word| *word != "null"),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

/// Alternatives: an optional value (one of them null), or the words of an enum.
fn choice(choices: &[Value]) -> Shape {
    let mut shapes: Vec<_> =
        choices.iter().filter(|choice| choice.get("type") != Some(&"null".into())).map(read).collect();
    let words: Option<Vec<_>> = shapes
        .iter()
        .map(|schema| match &schema.shape {
            Shape::Enum(words) => Some(words.clone()),
            Shape::Any
            | Shape::Bool
            | Shape::Int { .. }
            | Shape::String
            | Shape::IntOrString
            | Shape::List(_)
            | Shape::Map(_)
            | Shape::Struct { .. }
            | Shape::OneOf { .. } => None,
        })
        .collect();
    match (words, shapes.len()) {
        (Some(words), _) => Shape::Enum(words.concat()),
        (None, 1) => shapes.swap_remove(0).shape,
        (None, _) => Shape::Any,
    }
}

fn integer(value: &Value) -> Shape {
    let bound = |key: &str| value.get(key).and_then(Value::as_i64).map(i128::from);
    let (min, max) = match value.get("format").and_then(Value::as_str) {
        // Every number of 16 bits in these types is a port.
        Some("uint16") => (1, u16::MAX.into()),
        Some("uint32") => (0, u32::MAX.into()),
        Some("int32") => (i32::MIN.into(), i32::MAX.into()),
        _ => (i64::MIN.into(), i64::MAX.into()),
    };
    // schemars tells the type's own minimum and maximum as well.
    Shape::Int { min: bound("minimum").unwrap_or(min).max(min), max: bound("maximum").unwrap_or(max).min(max) }
}

fn object(value: &Value) -> Shape {
    let Some(properties) = value.get("properties").and_then(Value::as_object) else {
        return match value.get("additionalProperties") {
            Some(items) if items.is_object() => Shape::Map(Box::new(read(items))),
            _ => Shape::Struct { fields: BTreeMap::new(), required: Vec::new() },
        };
    };
    let fields = properties.iter().map(|(name, value)| (name.clone(), read(value))).collect();
    let words = value.get("required").and_then(Value::as_array);
    let required = words.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    Shape::Struct { fields, required }
}

impl Shape {
    /// The shape in words, for messages.
    pub(crate) fn expected(&self) -> String {
        match self {
            Self::Any => "a value".into(),
            Self::Bool => "true or false".into(),
            Self::Int { min, max } if *max >= i32::MAX.into() && *min <= i32::MIN.into() => "an integer".into(),
            Self::Int { min, max } if *max >= i32::MAX.into() => {
                format!("an integer from {min} up")
            }
            Self::Int { min, max } => format!("an integer from {min} to {max}"),
            Self::String => "a text".into(),
            Self::Enum(words) => match words.as_slice() {
                [word] => word.clone(),
                words => format!("one of {}", words.join(", ")),
            },
            Self::IntOrString => "an integer or a text".into(),
            Self::List(_) => "a list".into(),
            Self::Map(_) | Self::Struct { .. } => "a map".into(),
            Self::OneOf { expected, .. } => expected.clone(),
        }
    }

    /// The shape as an OpenAPI v3 structural schema, as a CRD holds it.
    pub(crate) fn to_openapi(&self) -> Map<String, Value> {
        let mut out = Map::new();
        let mut set = |key: &str, value: Value| {
            out.insert(key.to_owned(), value);
        };
        match self {
            Self::Any | Self::OneOf { .. } => set("x-kubernetes-preserve-unknown-fields", true.into()),
            Self::Bool => set("type", "boolean".into()),
            Self::Int { min, max } => {
                set("type", "integer".into());
                set("format", "int64".into());
                let bound = |value: &i128| i64::try_from(*value).ok().filter(|it| *it != i64::MIN && *it != i64::MAX);
                if let Some(min) = bound(min) {
                    set("minimum", min.into());
                }
                if let Some(max) = bound(max) {
                    set("maximum", max.into());
                }
            }
            Self::String => set("type", "string".into()),
            Self::Enum(words) => {
                set("type", "string".into());
                set("enum", words.clone().into());
            }
            Self::IntOrString => set("x-kubernetes-int-or-string", true.into()),
            Self::List(items) => {
                set("type", "array".into());
                set("items", items.to_openapi());
            }
            Self::Map(items) => {
                set("type", "object".into());
                set("additionalProperties", items.to_openapi());
            }
            Self::Struct { fields, required } => {
                set("type", "object".into());
                let properties = fields.iter().map(|(name, schema)| (name.clone(), schema.to_openapi()));
                set("properties", Value::Object(properties.collect()));
                if !required.is_empty() {
                    set("required", required.clone().into());
                }
            }
        }
        out
    }
}

impl Schema {
    /// The schema as an OpenAPI v3 structural schema.
    pub(crate) fn to_openapi(&self) -> Value {
        let mut out = Map::new();
        if !self.description.is_empty() {
            out.insert("description".into(), self.description.split_whitespace().collect::<Vec<_>>().join(" ").into());
        }
        out.extend(self.shape.to_openapi());
        Value::Object(out)
    }
}
