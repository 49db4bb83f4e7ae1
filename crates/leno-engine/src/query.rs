//! Query parameters that are changed, as Envoy changes them: what is left is written in the order of the names.

use std::collections::BTreeMap;

/// The query parameters of a target; undecoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryParameters<'a> {
    path: &'a str,
    fragment: &'a str,
    values: BTreeMap<String, Vec<String>>,
}

impl<'a> QueryParameters<'a> {
    /// Those of a target.
    #[must_use]
    pub fn of(target: &'a str) -> Self {
        let (before, fragment) = target.find('#').map_or((target, ""), |at| target.split_at(at));
        let (path, query) = before.split_once('?').unwrap_or((before, ""));
        let mut values = BTreeMap::<_, Vec<_>>::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            values.entry(name.to_owned()).or_default().push(value.to_owned());
        }
        Self { path, fragment, values }
    }

    /// Replaces all of this name by one.
    pub fn set(&mut self, name: &str, value: &str) {
        self.values.insert(name.to_owned(), vec![value.to_owned()]);
    }

    /// Adds one beside those of this name.
    pub fn add(&mut self, name: &str, value: &str) {
        self.values.entry(name.to_owned()).or_default().push(value.to_owned());
    }

    /// Whether there is one of this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Takes all of this name away.
    pub fn remove(&mut self, name: &str) {
        self.values.remove(name);
    }

    /// The target with what is left.
    #[must_use]
    pub fn target(&self) -> String {
        let mut target = self.path.to_owned();
        let mut sign = '?';
        for (name, values) in &self.values {
            for value in values {
                target.push(sign);
                target.push_str(name);
                target.push('=');
                target.push_str(value);
                sign = '&';
            }
        }
        target + self.fragment
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parameters_are_set_added_and_removed() {
        let mut query = QueryParameters::of("/a?b=1&c&b=2#f");
        assert_eq!(query.target(), "/a?b=1&b=2&c=#f");
        query.add("a", "x");
        query.set("b", "3");
        assert!(query.has("c"));
        query.remove("c");
        assert_eq!(query.target(), "/a?a=x&b=3#f");
        query.remove("a");
        query.remove("b");
        assert_eq!(query.target(), "/a#f");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_alike(target in "/[a-z]{0,3}(\\?[a-c=&%?]{0,20})?(#[a-z]{0,3})?") {
            let written = QueryParameters::of(&target).target();
            prop_assert_eq!(QueryParameters::of(&written).target(), written);
        }
    }
}
