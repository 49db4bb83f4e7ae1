//! What one filter finds out about a request for others to decide by ([dynamic metadata]), and patterns on it
//! ([`envoy.type.matcher.v3.MetadataMatcher`]).
//!
//! [dynamic metadata]: https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/advanced/data_sharing_between_filters#metadata
//! [`envoy.type.matcher.v3.MetadataMatcher`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/type/matcher/v3/metadata.proto

use serde_json::{Map, Value};

use crate::matcher::StringMatcher;

/// What filters found out about a request, each under a name of its own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata(Vec<Found>);

/// A filter's name, and what it found out.
type Found = (Box<str>, Map<String, Value>);

impl Metadata {
    /// Adds fields under a filter's name; what is there under the same key is replaced.
    pub fn add(&mut self, namespace: &str, fields: Map<String, Value>) {
        match self.0.iter_mut().find(|(name, _)| **name == *namespace) {
            Some((_, there)) => there.extend(fields),
            None => self.0.push((namespace.into(), fields)),
        }
    }

    /// What a filter found out.
    #[must_use]
    pub fn of(&self, namespace: &str) -> Option<&Map<String, Value>> {
        self.0.iter().find(|(name, _)| **name == *namespace).map(|(_, fields)| fields)
    }

    /// One value of it, by the keys on the way to it.
    #[must_use]
    pub fn find(&self, namespace: &str, path: &[Box<str>]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        let value = self.of(namespace)?.get(&**first)?;
        rest.iter().try_fold(value, |value, key| value.as_object()?.get(&**key))
    }
}

/// A pattern on one value.
#[derive(Clone, Debug, PartialEq)]
pub struct MetadataMatcher {
    /// The filter that found it out.
    pub namespace: Box<str>,
    /// The keys on the way to it; at least one.
    pub path: Vec<Box<str>>,
    /// How it must be.
    pub value: ValueMatcher,
    /// Fits when the rest does not.
    pub invert: bool,
}

/// How a value must be ([`ValueMatcher`]).
///
/// [`ValueMatcher`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/type/matcher/v3/value.proto
#[derive(Clone, Debug, PartialEq)]
pub enum ValueMatcher {
    /// Null, said in so many words.
    Null,
    /// This number.
    Number(f64),
    /// A number from the first up to, not including, the second.
    Range(f64, f64),
    /// A text that fits.
    Text(StringMatcher),
    /// This.
    Bool(bool),
    /// There at all; `false` fits nothing.
    Present(bool),
    /// A list with an element that fits.
    OneOf(Box<Self>),
    /// One of these.
    Or(Vec<Self>),
}

impl MetadataMatcher {
    /// Whether it fits.
    #[must_use]
    pub fn matches(&self, metadata: &Metadata) -> bool {
        self.value.matches(metadata.find(&self.namespace, &self.path)) != self.invert
    }
}

impl ValueMatcher {
    fn matches(&self, value: Option<&Value>) -> bool {
        match self {
            Self::Null => value.is_some_and(Value::is_null),
            Self::Number(wanted) => {
                value.and_then(Value::as_f64).is_some_and(|number| (number - wanted).abs() < f64::EPSILON)
            }
            Self::Range(start, end) => {
                value.and_then(Value::as_f64).is_some_and(|number| (*start..*end).contains(&number))
            }
            Self::Text(text) => value.and_then(Value::as_str).is_some_and(|value| text.matches(value.as_bytes())),
            Self::Bool(wanted) => value.and_then(Value::as_bool) == Some(*wanted),
            Self::Present(wanted) => *wanted && value.is_some(),
            Self::OneOf(one) => {
                value.and_then(Value::as_array).is_some_and(|list| list.iter().any(|value| one.matches(Some(value))))
            }
            Self::Or(any) => any.iter().any(|one| one.matches(value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_fit_by_their_kind() {
        let mut metadata = Metadata::default();
        let fields = json!({ "jwt": { "sub": "me", "groups": ["a", "b"], "age": 5, "ok": true, "none": null } });
        metadata.add("filter", fields.as_object().cloned().unwrap());
        let fits = |path: &[&str], value: ValueMatcher| {
            let path = path.iter().map(|key| (*key).into()).collect();
            MetadataMatcher { namespace: "filter".into(), path, value, invert: false }.matches(&metadata)
        };
        let text = |text: &str| ValueMatcher::Text(StringMatcher::exact(text));
        assert!(fits(&["jwt", "sub"], text("me")) && !fits(&["jwt", "sub"], text("you")));
        assert!(!fits(&["jwt", "sub", "x"], text("me")) && !fits(&["jwt"], text("me")));
        assert!(fits(&["jwt", "groups"], ValueMatcher::OneOf(Box::new(text("b")))));
        assert!(!fits(&["jwt", "groups"], ValueMatcher::OneOf(Box::new(text("c")))));
        assert!(
            fits(&["jwt", "age"], ValueMatcher::Number(5.0)) && fits(&["jwt", "age"], ValueMatcher::Range(5.0, 6.0))
        );
        assert!(!fits(&["jwt", "age"], ValueMatcher::Range(1.0, 5.0)));
        assert!(fits(&["jwt", "ok"], ValueMatcher::Bool(true)) && fits(&["jwt", "none"], ValueMatcher::Null));
        assert!(fits(&["jwt"], ValueMatcher::Present(true)) && !fits(&["jwt"], ValueMatcher::Present(false)));
        assert!(!fits(&["x"], ValueMatcher::Present(true)) && !fits(&["x"], ValueMatcher::Null));
        assert!(fits(&["jwt", "sub"], ValueMatcher::Or(vec![text("you"), text("me")])));
        let absent = MetadataMatcher {
            namespace: "other".into(),
            path: vec!["jwt".into()],
            value: ValueMatcher::Present(true),
            invert: true,
        };
        assert!(absent.matches(&metadata));
    }

    #[test]
    fn what_is_added_replaces_what_is_there() {
        let mut metadata = Metadata::default();
        for (key, value) in [("a", 1), ("b", 2), ("a", 3)] {
            metadata.add("filter", json!({ key: value }).as_object().cloned().unwrap());
        }
        assert_eq!(metadata.of("filter").cloned().map(Value::Object), Some(json!({ "a": 3, "b": 2 })));
    }
}
