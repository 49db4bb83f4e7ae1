//! Holding a message to what is supported.
//!
//! A converter takes out of a message the fields that it understands; whatever is then left in it is refused by name.
//! So nothing can be ignored in silence, not even a field that a later version of the API brings.

use std::time::Duration;

use leno_model::{Invalid, ObjectRef};
use leno_proto::{
    any,
    google::protobuf::{Any, Duration as ProtoDuration},
    json,
};
use prost::{Message, Name};
use serde_json::Value;

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

    /// Notes that a field is not as it should be.
    pub(super) fn wrong(&mut self, field: &str, value: impl Into<String>, expected: impl Into<String>) {
        self.wrong.push(Invalid {
            location: None,
            object: Some(self.object.clone()),
            field: field.to_owned(),
            value: value.into(),
            expected: expected.into(),
            fix: String::new(),
        });
    }

    /// Refuses everything that is left in a message.
    pub(super) fn rest<M: Message + Name + Default + PartialEq>(&mut self, path: &str, rest: &M) {
        if *rest == M::default() {
            return;
        }
        match json::of_any(&any::pack(rest)) {
            Ok(Value::Object(fields)) => {
                for (name, value) in fields.into_iter().filter(|(name, _)| name != "@type") {
                    self.wrong(&join(path, &name), shown(&value), "it not to be there: Leno does not support it");
                }
            }
            // What has no name in our description of the API is refused as a whole.
            Ok(_) | Err(_) => self.wrong(path, M::full_name(), "only fields that Leno supports"),
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
        let seconds = u64::try_from(duration.seconds);
        let nanos = u32::try_from(duration.nanos).ok().filter(|nanos| *nanos < 1_000_000_000);
        match (seconds, nanos) {
            (Ok(seconds), Some(nanos)) => Some(Duration::new(seconds, nanos)),
            _ => {
                self.wrong(path, format!("{}s {}ns", duration.seconds, duration.nanos), "a duration from 0 up");
                None
            }
        }
    }

    /// The value of an optional duration, or its default.
    pub(super) fn duration_or(&mut self, path: &str, duration: Option<ProtoDuration>, default: Duration) -> Duration {
        duration.and_then(|duration| self.duration(path, &duration)).unwrap_or(default)
    }
}

/// A path's next step.
pub(super) fn join(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

/// The path of an element.
pub(super) fn at(path: &str, field: &str, index: usize) -> String {
    format!("{}[{index}]", join(path, field))
}

fn shown(value: &Value) -> String {
    shorten(&value.to_string())
}

/// Long values are cut: the field's path says where to look.
fn shorten(text: &str) -> String {
    const MAX: usize = 200;
    if text.chars().count() <= MAX { text.to_owned() } else { text.chars().take(MAX).collect::<String>() + "…" }
}
