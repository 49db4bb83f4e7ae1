//! Trying every field of every message in turn: set to a legal value in a resource that is legal without it, it is taken
//! or refused, and what is made of the resource shows whether it makes a difference.

use std::{
    collections::{BTreeSet, HashSet},
    sync::LazyLock,
};

use leno_model::Invalid;
use leno_proto::json::Descriptions;
use leno_proxy::config::convert::{IGNORED, Ignored, UNSUPPORTED};
use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::Value;

use super::{
    legal,
    place::Place,
    root::{Outcome, Root, is_elsewhere},
    value,
};

/// A message at a place.
#[derive(Debug)]
pub(crate) struct Section {
    /// Its full name.
    pub(crate) message: String,
    /// The field that it stands in, `RouteAction.retry_policy`; the name of the message itself for a resource.
    pub(crate) within: String,
    /// Its fields, in the order of the proto file.
    pub(crate) fields: Vec<Field>,
}

/// A field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) support: Support,
}

/// What becomes of a field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Support {
    /// It makes a difference. Which values of an enumeration, or which messages, are taken; all when empty.
    Supported(Vec<String>),
    /// It is taken and makes none, for this reason.
    Ignored(&'static str),
    /// It is refused.
    Refused,
}

/// Goes through resources.
#[derive(Default)]
pub(crate) struct Probe {
    pub(crate) sections: Vec<Section>,
    /// What cannot be told, because there is no legal value to try, or a refusal does not name its field.
    pub(crate) unclear: Vec<String>,
    /// Fields of which what they hold has been looked into, with its type.
    seen: HashSet<String>,
    /// Fields that are listed as ignored, and are.
    used: HashSet<String>,
}

impl Probe {
    /// Tries all fields of a resource.
    pub(crate) fn resource(&mut self, root: &Root) {
        let message = descriptor(root.message);
        let within = message.name().to_owned();
        self.message(root, &(root.legal)(), &Place::default(), &message, within);
    }

    fn message(&mut self, root: &Root, resource: &Value, place: &Place, message: &MessageDescriptor, within: String) {
        let at = self.sections.len();
        self.sections.push(Section { message: message.full_name().to_owned(), within, fields: Vec::new() });
        for field in message.fields() {
            let support = match inside_any(&field) {
                true => self.any(root, resource, place, &field),
                false => self.field(root, resource, place, &field),
            };
            let field = Field { name: field.name().to_owned(), kind: kind(&field), support };
            self.sections[at].fields.push(field);
        }
    }

    /// Tries the values of a field, and looks into the message that it may be.
    fn field(&mut self, root: &Root, resource: &Value, place: &Place, field: &FieldDescriptor) -> Support {
        let path = place.path(field.name());
        let resource = &place.beside(resource, &legal::beside(field.full_name()));
        let base = self.convert(root, resource, &path);
        let mut made: BTreeSet<_> = base.ok().into_iter().collect();
        let (mut taken, mut refused, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
        for value in value::of(field) {
            let tried = place.with(resource, field, &value);
            match self.convert(root, &tried, &path) {
                Ok(shown) => {
                    made.insert(shown);
                    taken.push((value, tried));
                }
                Err(errors) if refuses(&errors, &path, is_enum(field)) => refused.push(value),
                Err(errors) => wrong.push((value, errors)),
            }
        }
        let Some((value, tried)) = taken.first() else {
            if let (Some((value, errors)), true) = (wrong.first(), refused.is_empty()) {
                let errors: Vec<_> = errors.iter().map(Invalid::to_string).collect();
                self.unclear.push(format!("{} = {value}: {}", field.full_name(), errors.join("; ")));
            }
            return Support::Refused;
        };
        // Only what it is when nobody sets it.
        if !refused.is_empty() && taken.iter().all(|(value, _)| is_unset(field, value)) {
            return Support::Refused;
        }
        // That one value is right and another is not is a difference too.
        let some = !refused.is_empty() || !wrong.is_empty();
        if let Some(reason) = self.ignored(field, some || made.len() > 1, &path) {
            return Support::Ignored(reason);
        }
        if let Some(message) = looked_into(field)
            && self.seen.insert(field.full_name().to_owned())
        {
            let within = format!("{}.{}", field.parent_message().name(), field.name());
            self.message(root, tried, &place.to_field(field, value), &message, within);
        }
        let taken = taken.iter().map(|(value, _)| name(value)).collect();
        Support::Supported(if some && looked_into(field).is_none() { taken } else { Vec::new() })
    }

    /// Tries which messages may stand in a field that may hold any.
    fn any(&mut self, root: &Root, resource: &Value, place: &Place, field: &FieldDescriptor) -> Support {
        let mut taken = Vec::new();
        if let Some(reason) = self.listed(field) {
            return Support::Ignored(reason);
        }
        for message in value::extensions() {
            let inside = value::packed(&message);
            let value = value::in_field(field, inside.clone());
            let below = place.to_field(field, &value);
            let tried = place.with(resource, field, &value);
            let path = below.own_path();
            // What ends a list cannot stand before others of it.
            let mut tried = below.replaced(&tried, &inside);
            let mut outcome = self.convert(root, &tried, &path);
            if outcome.as_ref().is_err_and(|errors| !refuses(errors, &path, true)) {
                tried = place.alone(&tried);
                outcome = self.convert(root, &tried, &path);
            }
            match outcome {
                Ok(_) => {}
                Err(errors) if refuses(&errors, &path, true) || refuses_message(&errors, &path, &message) => continue,
                Err(errors) => {
                    let errors: Vec<_> = errors.iter().map(Invalid::to_string).collect();
                    let place = field.full_name();
                    self.unclear.push(format!("{} in {place}: {}", message.full_name(), errors.join("; ")));
                }
            }
            taken.push(message.full_name().to_owned());
            if self.seen.insert(format!("{}: {}", field.full_name(), message.full_name())) {
                let within = format!("{}.{}", field.parent_message().name(), field.name());
                self.message(root, &tried, &below, &message, within);
            }
        }
        if taken.is_empty() { Support::Refused } else { Support::Supported(taken) }
    }

    /// Why a field is ignored, if it is: what makes no difference must be listed. (What is listed may make one elsewhere.)
    fn ignored(&mut self, field: &FieldDescriptor, differs: bool, path: &str) -> Option<&'static str> {
        // A message may only say by its presence what is meant anyway.
        if differs || (is_message(field) && IGNORED.iter().all(|one| !is(one, field))) {
            return None;
        }
        let reason = self.listed(field);
        if reason.is_none() {
            let name = field.full_name();
            self.unclear.push(format!("{name} makes no difference at {path}: give it other values, or list it"));
        }
        reason
    }

    /// The reason that a field is listed with.
    fn listed(&mut self, field: &FieldDescriptor) -> Option<&'static str> {
        let listed = IGNORED.iter().find(|one| is(one, field))?;
        self.used.insert(field.full_name().to_owned());
        Some(listed.why)
    }

    /// Those of the list that are ignored nowhere.
    pub(crate) fn stale(&self) -> impl Iterator<Item = String> + '_ {
        let names = IGNORED.iter().map(|one| format!("{}.{}", one.message, one.field));
        names.filter(|name| !self.used.contains(name))
    }

    fn convert(&self, root: &Root, resource: &Value, path: &str) -> Outcome {
        let convert = || {
            let outcome = (root.convert)(resource);
            outcome.unwrap_or_else(|error| panic!("{path}: no {}: {error}\n{resource:#}", root.message))
        };
        let mut outcome = convert()?;
        // What differs from one time to the next, as numbers that are given out one by one do, is not of the resource.
        let again: HashSet<_> = convert()?.into_iter().collect();
        outcome.retain(|line| again.contains(line));
        Ok(outcome)
    }
}

fn is(listed: &Ignored, field: &FieldDescriptor) -> bool {
    listed.message == field.parent_message().full_name() && listed.field == field.name()
}

/// Whether this is the refusal of a field, or (`by_value`) of the value that it has.
fn refuses(errors: &[Invalid], path: &str, by_value: bool) -> bool {
    errors.iter().any(|error| error.field == path && (by_value || error.expected.contains(UNSUPPORTED)))
}

/// Whether this is the refusal of a message by its name, for a list of alternatives of which it is none.
fn refuses_message(errors: &[Invalid], path: &str, message: &MessageDescriptor) -> bool {
    errors.iter().any(|error| path.starts_with(&error.field) && error.value.contains(message.full_name()))
}

fn is_message(field: &FieldDescriptor) -> bool {
    value::inside(field).is_some_and(|message| !message.full_name().starts_with("google.protobuf."))
}

/// The message whose fields are to be tried too.
fn looked_into(field: &FieldDescriptor) -> Option<MessageDescriptor> {
    let message = value::inside(field)?;
    let known = message.full_name().starts_with("google.protobuf.") || is_elsewhere(message.full_name());
    (!known).then_some(message)
}

fn inside_any(field: &FieldDescriptor) -> bool {
    value::inside(field).is_some_and(|message| message.full_name() == "google.protobuf.Any")
}

/// Whether a value of a field is the same as none.
fn is_unset(field: &FieldDescriptor, value: &Value) -> bool {
    let default = match field.kind() {
        Kind::Bool => value == &Value::Bool(false),
        Kind::Enum(of) => of.get_value(0).is_some_and(|zero| value == zero.name()),
        _ => false,
    };
    default && !field.supports_presence() && !field.is_list()
}

fn is_enum(field: &FieldDescriptor) -> bool {
    matches!(field.kind(), Kind::Enum(_))
}

fn name(value: &Value) -> String {
    let value = match value {
        Value::Array(several) => several.first().unwrap_or(value),
        _ => value,
    };
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The type of a field, for people.
fn kind(field: &FieldDescriptor) -> String {
    let one = |kind: Kind| match kind {
        Kind::Message(message) => message.name().to_owned(),
        Kind::Enum(of) => of.name().to_owned(),
        other => format!("{other:?}").to_lowercase(),
    };
    match field.kind() {
        Kind::Message(entry) if field.is_map() => format!("map of {}", one(entry.map_entry_value_field().kind())),
        kind if field.is_list() => format!("list of {}", one(kind)),
        kind => one(kind),
    }
}

/// The descriptions of all messages.
pub(crate) fn pool() -> &'static DescriptorPool {
    static KNOWN: LazyLock<Descriptions> = LazyLock::new(Descriptions::hold);
    KNOWN.pool().expect("the descriptions can be read")
}

/// The description of a message.
fn descriptor(name: &str) -> MessageDescriptor {
    pool().get_message_by_name(name).unwrap_or_else(|| panic!("{name} is not described"))
}
