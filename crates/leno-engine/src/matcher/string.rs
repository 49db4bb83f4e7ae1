//! Patterns on texts ([`envoy.type.matcher.v3.StringMatcher`]).
//!
//! [`envoy.type.matcher.v3.StringMatcher`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/type/matcher/v3/string.proto

use super::Pattern;

/// A pattern on a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StringMatcher {
    /// What must fit.
    pub fits: StringMatch,
    /// Whether case counts not; has no effect on [`StringMatch::Regex`].
    pub ignore_case: bool,
}

/// How a text must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StringMatch {
    /// This.
    Exact(Box<str>),
    /// Beginning with this.
    Prefix(Box<str>),
    /// Ending with this.
    Suffix(Box<str>),
    /// Having this somewhere.
    Contains(Box<str>),
    /// Fitting this as a whole.
    Regex(Pattern),
}

impl StringMatcher {
    /// Exactly this text.
    #[must_use]
    pub fn exact(text: &str) -> Self {
        Self { fits: StringMatch::Exact(text.into()), ignore_case: false }
    }

    /// Whether the value fits.
    #[must_use]
    pub fn matches(&self, value: &[u8]) -> bool {
        match &self.fits {
            StringMatch::Exact(text) => self.same(value, text),
            StringMatch::Prefix(text) => value.get(..text.len()).is_some_and(|start| self.same(start, text)),
            StringMatch::Suffix(text) => {
                let start = value.len().checked_sub(text.len());
                start.and_then(|start| value.get(start..)).is_some_and(|end| self.same(end, text))
            }
            StringMatch::Contains(text) if text.is_empty() => true,
            StringMatch::Contains(text) => value.windows(text.len()).any(|part| self.same(part, text)),
            StringMatch::Regex(pattern) => pattern.fits(value),
        }
    }

    fn same(&self, value: &[u8], text: &str) -> bool {
        if self.ignore_case { value.eq_ignore_ascii_case(text.as_bytes()) } else { value == text.as_bytes() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_with_and_without_case() {
        let exact = StringMatch::Exact("Ab".into());
        let prefix = StringMatch::Prefix("Ab".into());
        let suffix = StringMatch::Suffix("Ab".into());
        let contains = StringMatch::Contains("Ab".into());
        for (fits, value, with, without) in [
            (&exact, "Ab", true, true),
            (&exact, "aB", false, true),
            (&exact, "Abc", false, false),
            (&prefix, "Abc", true, true),
            (&prefix, "abc", false, true),
            (&prefix, "A", false, false),
            (&suffix, "xAb", true, true),
            (&suffix, "xaB", false, true),
            (&suffix, "Abx", false, false),
            (&contains, "xAbx", true, true),
            (&contains, "xabx", false, true),
            (&contains, "", false, false),
        ] {
            for (ignore_case, expected) in [(false, with), (true, without)] {
                let matcher = StringMatcher { fits: fits.clone(), ignore_case };
                assert_eq!(matcher.matches(value.as_bytes()), expected, "{matcher:?} on {value:?}");
            }
        }
    }
}
