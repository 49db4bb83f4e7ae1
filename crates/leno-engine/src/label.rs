//! What somebody has noted about an endpoint or a route, as keys and values ([`envoy.config.core.v3.Metadata`], of one
//! filter).
//!
//! [`envoy.config.core.v3.Metadata`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/core/v3/base.proto#config-core-v3-metadata

use std::cmp::Ordering;

/// A value.
#[derive(Clone, Debug)]
pub enum Value {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A text.
    Text(Box<str>),
    /// Several values.
    List(Box<[Self]>),
    /// Keys and values.
    Labels(Labels),
}

/// Keys and values, in the order of the keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Labels(Box<[Pair]>);

/// A key and its value.
type Pair = (Box<str>, Value);

impl Labels {
    /// Of these; where a key comes twice, the last one counts.
    #[must_use]
    pub fn new(pairs: Vec<Pair>) -> Self {
        let mut sorted: Vec<Pair> = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            match sorted.binary_search_by(|(known, _)| known.cmp(&key)) {
                Ok(place) => {
                    if let Some(known) = sorted.get_mut(place) {
                        known.1 = value;
                    }
                }
                Err(place) => sorted.insert(place, (key, value)),
            }
        }
        Self(sorted.into())
    }

    /// The value of a key.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&Value> {
        let place = self.0.binary_search_by(|(known, _)| (**known).cmp(key)).ok()?;
        self.0.get(place).map(|(_, value)| value)
    }

    /// The pairs, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (&**key, value))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These, and `others`, which count more.
    #[must_use]
    pub fn merged(&self, others: &Self) -> Self {
        Self::new(self.0.iter().chain(&others.0).cloned().collect())
    }

    /// These without a key.
    #[must_use]
    pub fn without(&self, key: &str) -> Self {
        Self(self.0.iter().filter(|(known, _)| **known != *key).cloned().collect())
    }

    /// Whether `others` has all of these. `list_as_any`: any value of a list in `others` will do.
    #[must_use]
    pub fn are_in(&self, others: &Self, list_as_any: bool) -> bool {
        self.0.iter().all(|(key, value)| match others.value(key) {
            Some(Value::List(values)) if list_as_any => values.contains(value),
            Some(found) => found == value,
            None => false,
        })
    }
}

impl Value {
    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) => 1,
            Self::Number(_) => 2,
            Self::Text(_) => 3,
            Self::List(_) => 4,
            Self::Labels(_) => 5,
        }
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(one), Self::Bool(other)) => one.cmp(other),
            (Self::Number(one), Self::Number(other)) => one.total_cmp(other),
            (Self::Text(one), Self::Text(other)) => one.cmp(other),
            (Self::List(one), Self::List(other)) => one.cmp(other),
            (Self::Labels(one), Self::Labels(other)) => one.cmp(other),
            (one, other) => one.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Value {}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    fn labels(pairs: &[(&str, Value)]) -> Labels {
        Labels::new(pairs.iter().map(|(key, value)| ((*key).into(), value.clone())).collect())
    }

    #[test]
    fn labels_are_found_by_key_and_value() {
        let endpoint = labels(&[("b", Value::Number(1.0)), ("a", text("x")), ("a", text("y"))]);
        assert_eq!(endpoint.value("a"), Some(&text("y")));
        assert!(labels(&[("b", Value::Number(1.0))]).are_in(&endpoint, false));
        assert!(!labels(&[("b", text("1"))]).are_in(&endpoint, false));
        assert!(Labels::default().are_in(&endpoint, false));
        let list = labels(&[("a", Value::List([text("x"), text("z")].into()))]);
        assert!(labels(&[("a", text("z"))]).are_in(&list, true));
        assert!(!labels(&[("a", text("z"))]).are_in(&list, false));
        assert_eq!(endpoint.merged(&labels(&[("a", text("z"))])).value("a"), Some(&text("z")));
        assert_eq!(endpoint.without("a").len(), 1);
    }
}
