//! Holding a message to what is supported.
//!
//! A converter takes out of a message the fields that it understands; whatever is then left in it is refused by name.
//! So nothing that can be decoded is ignored in silence, not even a field that a later version of the API brings.

use std::{fmt::Debug, time::Duration};

use leno_model::{Invalid, ObjectRef};
use leno_proto::{
    any,
    google::protobuf::{Any, Duration as ProtoDuration},
    json,
};
use prost::{Message, Name};
use serde_json::Value;

use super::UNSUPPORTED;

/// The longest duration that protobuf knows: ten thousand years, in seconds.
const MAX_SECONDS: u64 = 315_576_000_000;

/// What is wrong with one resource, as far as it is known.
#[derive(Debug)]
pub(super) struct Check {
    object: ObjectRef,
    wrong: Vec<Invalid>,
}

impl Check {
    /// Of a resource of which nothing wrong is known yet.
    pub(super) fn new(kind: &str, name: &str) -> Self {
        Self { object: ObjectRef::new(kind, "", name), wrong: Vec::new() }
    }

    /// What was made of it, or everything that is wrong.
    pub(super) fn finish<T>(self, made: Option<T>) -> Result<T, Vec<Invalid>> {
        match made {
            Some(made) if self.wrong.is_empty() => Ok(made),
            Some(_) => Err(self.wrong),
            None if self.wrong.is_empty() => {
                let mut check = self;
                check.wrong("", "incomplete", "a resource with all that it needs");
                Err(check.wrong)
            }
            None => Err(self.wrong),
        }
    }

    /// Whether it is for the resource of this name.
    pub(super) fn is_for(&self, name: Option<&str>) -> bool {
        name.is_some_and(|name| name == &*self.object.name)
    }

    /// Whether nothing wrong is known yet.
    pub(super) fn is_clean(&self) -> bool {
        self.wrong.is_empty()
    }

    /// Notes that a field is not as it should be.
    pub(super) fn wrong(&mut self, field: &str, value: impl Into<String>, expected: impl Into<String>) {
        self.wrong.push(Invalid {
            location: None,
            object: Some(self.object.clone()),
            field: field.to_owned(),
            value: shorten(&value.into()),
            expected: expected.into(),
            fix: String::new(),
        });
    }

    /// Refuses one of several alternatives by its name.
    pub(super) fn unsupported<T>(&mut self, path: &str, field: &str, instead: &str) -> Option<T> {
        self.wrong(&join(path, field), "set", format!("{instead}: {UNSUPPORTED}"));
        None
    }

    /// Refuses everything that is left in a message.
    pub(super) fn rest<M: Message + Name + Default + PartialEq + Debug>(&mut self, path: &str, rest: &M) {
        if *rest == M::default() {
            return;
        }
        match json::of_any(&any::pack(rest)) {
            Ok(Value::Object(fields)) if !fields.is_empty() => {
                for (name, value) in fields {
                    self.wrong(&join(path, &name), value.to_string(), absent());
                }
            }
            // Something in it is unknown to our description of the API, an extension for instance.
            Ok(_) | Err(_) => self.undescribed(path, rest),
        }
    }

    /// Refuses every field of a message that is not at its default, without a description of the API.
    fn undescribed<M: Name + Default + Debug>(&mut self, path: &str, message: &M) {
        let nothing = fields(&M::default());
        let left: Vec<_> = fields(message).into_iter().filter(|field| !nothing.contains(field)).collect();
        if left.is_empty() {
            self.wrong(path, M::full_name(), "only fields that Leno supports");
        }
        for (name, value) in left {
            self.wrong(&join(path, &name), value, absent());
        }
    }

    /// The message inside; its absence or another type is wrong.
    pub(super) fn unpack<M: Message + Name + Default>(&mut self, path: &str, packed: &Any) -> Option<M> {
        match any::unpack(packed) {
            Ok(message) => Some(message),
            Err(error) => {
                self.wrong(path, packed.type_url.clone(), format!("a {}: {error}", M::full_name()));
                None
            }
        }
    }

    /// A duration; a negative one is wrong.
    pub(super) fn duration(&mut self, path: &str, duration: &ProtoDuration) -> Option<Duration> {
        let seconds = u64::try_from(duration.seconds).ok().filter(|seconds| *seconds <= MAX_SECONDS);
        let nanos = u32::try_from(duration.nanos).ok().filter(|nanos| *nanos < 1_000_000_000);
        match (seconds, nanos) {
            (Some(seconds), Some(nanos)) => Some(Duration::new(seconds, nanos)),
            _ => {
                let value = format!("{}s {}ns", duration.seconds, duration.nanos);
                self.wrong(path, value, "a duration from 0 to ten thousand years");
                None
            }
        }
    }

    /// The value of an optional duration, or its default.
    pub(super) fn duration_or(&mut self, path: &str, duration: Option<ProtoDuration>, default: Duration) -> Duration {
        duration.and_then(|duration| self.duration(path, &duration)).unwrap_or(default)
    }
}

impl Check {
    /// The name of something that is referred to; an empty one is wrong.
    pub(super) fn name(&mut self, path: &str, name: String) -> Option<String> {
        if name.is_empty() {
            self.wrong(path, "empty", "a name");
            return None;
        }
        Some(name)
    }
}

/// What is expected of a field that Leno does not have.
fn absent() -> String {
    format!("it not to be there: {UNSUPPORTED}")
}

/// A path's next step.
pub(super) fn join(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

/// The path of an element.
pub(super) fn at(path: &str, field: &str, index: usize) -> String {
    format!("{}[{index}]", join(path, field))
}

/// The fields of a message with their values as `Debug` shows them; those of a `oneof` go by its own name.
fn fields(message: &impl Debug) -> Vec<(String, String)> {
    // A field begins on each line that is indented once, and nothing else does: texts have no line ends in them.
    let shown = format!("{message:#?}");
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in shown.lines() {
        let begins = line.strip_prefix("    ").filter(|rest| rest.starts_with(|first: char| first.is_alphabetic()));
        match (begins.and_then(|rest| rest.split_once(": ")), fields.last_mut()) {
            (Some((name, value)), _) => fields.push((name.trim_start_matches("r#").to_owned(), value.to_owned())),
            (None, Some((_, value))) if line.starts_with("    ") => {
                value.push(' ');
                value.push_str(line.trim());
            }
            (None, _) => {}
        }
    }
    for (_, value) in &mut fields {
        value.truncate(value.trim_end_matches(',').len());
    }
    fields
}

/// Long values are cut: the field's path says where to look.
fn shorten(text: &str) -> String {
    const MAX: usize = 200;
    if text.chars().count() <= MAX { text.to_owned() } else { text.chars().take(MAX).collect::<String>() + "…" }
}
