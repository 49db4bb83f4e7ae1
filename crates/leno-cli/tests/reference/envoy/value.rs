//! Legal values to try fields with. Where what a type suggests is not legal, the field (or the message) has a line of its
//! own here.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Value, json};

use super::{legal, probe::pool};

/// The values to try a field with.
pub(crate) fn of(field: &FieldDescriptor) -> Vec<Value> {
    if let Some(values) = legal::field(field.full_name()) {
        return values;
    }
    let kind = match field.kind() {
        Kind::Message(entry) if field.is_map() => entry.map_entry_value_field().kind(),
        kind => kind,
    };
    of_kind(&kind).into_iter().map(|value| in_field(field, value)).collect()
}

/// A value as a field of several holds it.
pub(crate) fn in_field(field: &FieldDescriptor, value: Value) -> Value {
    match (field.is_map(), field.is_list()) {
        (true, _) => json!({ "k": value }),
        (_, true) => json!([value]),
        (false, false) => value,
    }
}

fn of_kind(kind: &Kind) -> Vec<Value> {
    match kind {
        Kind::Bool => vec![json!(true), json!(false)],
        Kind::String => vec![json!("x"), json!("y")],
        Kind::Bytes => vec![json!("eA==")],
        Kind::Double | Kind::Float => vec![json!(1.5)],
        Kind::Enum(of) => of.values().map(|value| json!(value.name())).collect(),
        Kind::Message(message) => of_message(message),
        Kind::Int32
        | Kind::Int64
        | Kind::Uint32
        | Kind::Uint64
        | Kind::Sint32
        | Kind::Sint64
        | Kind::Fixed32
        | Kind::Fixed64
        | Kind::Sfixed32
        | Kind::Sfixed64 => vec![json!(1), json!(2)],
    }
}

fn of_message(message: &MessageDescriptor) -> Vec<Value> {
    match message.full_name() {
        "google.protobuf.BoolValue" => vec![json!(true), json!(false)],
        "google.protobuf.Duration" => vec![json!("1s"), json!("2s")],
        "google.protobuf.UInt32Value" | "google.protobuf.UInt64Value" | "google.protobuf.Int64Value" => {
            vec![json!(1), json!(2)]
        }
        "google.protobuf.DoubleValue" | "google.protobuf.FloatValue" => vec![json!(1.5)],
        "google.protobuf.StringValue" | "google.protobuf.Value" => vec![json!("x"), json!("y")],
        "google.protobuf.Struct" => vec![json!({ "k": "v" })],
        "google.protobuf.Timestamp" => vec![json!("2020-01-01T00:00:00Z")],
        name => vec![legal::message(name)],
    }
}

/// The message that a field holds, once or several times.
pub(crate) fn inside(field: &FieldDescriptor) -> Option<MessageDescriptor> {
    match field.kind() {
        Kind::Message(entry) if field.is_map() => match entry.map_entry_value_field().kind() {
            Kind::Message(message) => Some(message),
            _ => None,
        },
        Kind::Message(message) => Some(message),
        _ => None,
    }
}

/// The messages that may stand where any may: those of extensions, and what wraps them.
pub(crate) fn extensions() -> impl Iterator<Item = MessageDescriptor> {
    let all = pool().all_messages().filter(|message| message.parent_message().is_none());
    all.filter(|message| {
        let name = message.full_name();
        name.starts_with("envoy.extensions.") || name == "envoy.config.route.v3.FilterConfig"
    })
}

/// A legal message with its type beside it.
pub(crate) fn packed(message: &MessageDescriptor) -> Value {
    let mut value = legal::message(message.full_name());
    value["@type"] = json!(format!("type.googleapis.com/{}", message.full_name()));
    value
}
