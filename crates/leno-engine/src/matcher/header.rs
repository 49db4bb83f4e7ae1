//! Patterns on headers ([`envoy.config.route.v3.HeaderMatcher`]).
//!
//! [`envoy.config.route.v3.HeaderMatcher`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-headermatcher

use super::StringMatcher;
use crate::request::RequestHead;

/// A pattern on one header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderMatcher {
    /// The header or pseudo-header, in lower case.
    pub name: Box<str>,
    /// How it must be.
    pub fits: HeaderMatch,
    /// Fits when the rest does not. A header that is not there fits no pattern, and its inverse neither, unless
    /// `missing_as_empty`; only [`HeaderMatch::Present`] is inverted without one (as Envoy does).
    pub invert: bool,
    /// Whether a header that is not there counts as an empty one.
    pub missing_as_empty: bool,
}

/// How a header must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderMatch {
    /// There (`true`) or not (`false`).
    Present(bool),
    /// A value of it fits.
    Text(StringMatcher),
    /// A value of it is a whole decimal number from `start` up to, not including, `end`.
    Range {
        /// The first number that fits.
        start: i64,
        /// The first number after those that fit.
        end: i64,
    },
}

impl HeaderMatcher {
    /// Whether the request fits. Of a header that comes several times one value that fits is enough.
    pub fn matches(&self, request: &impl RequestHead) -> bool {
        self.matches_values(request.fields(&self.name))
    }

    /// Whether a header with these values fits; none: it is not there.
    pub fn matches_values<'a>(&self, values: impl Iterator<Item = &'a [u8]>) -> bool {
        let mut values = values.peekable();
        let absent = values.peek().is_none();
        let empty = (absent && self.missing_as_empty).then_some(&b""[..]);
        let mut values = values.chain(empty);
        let fits = match &self.fits {
            HeaderMatch::Present(present) => absent != *present,
            HeaderMatch::Text(_) | HeaderMatch::Range { .. } if absent && empty.is_none() => return false,
            HeaderMatch::Text(text) => values.any(|value| text.matches(value)),
            HeaderMatch::Range { start, end } => values.any(|value| {
                let number = std::str::from_utf8(value).ok().and_then(|text| text.trim().parse::<i64>().ok());
                number.is_some_and(|number| (*start..*end).contains(&number))
            }),
        };
        fits != self.invert
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::SimpleRequest;

    fn matcher(fits: HeaderMatch, invert: bool) -> HeaderMatcher {
        HeaderMatcher { name: "x".into(), fits, invert, missing_as_empty: false }
    }

    #[test]
    fn presence_values_ranges_and_their_inverse() {
        let with = |value: &str| SimpleRequest::new("GET", "/", "a").with("x", value);
        let without = SimpleRequest::new("GET", "/", "a");
        assert!(matcher(HeaderMatch::Present(true), false).matches(&with("")));
        assert!(matcher(HeaderMatch::Present(false), false).matches(&without));
        assert!(matcher(HeaderMatch::Present(true), true).matches(&without));
        let one = HeaderMatch::Text(StringMatcher::exact("1"));
        assert!(matcher(one.clone(), false).matches(&with("1")));
        assert!(matcher(one.clone(), true).matches(&with("2")));
        assert!(!matcher(one.clone(), true).matches(&without), "what is not there fits no inverse");
        let mut empty = matcher(one, true);
        empty.missing_as_empty = true;
        assert!(empty.matches(&without));
        let twice = with("1").with("x", "2");
        assert!(matcher(HeaderMatch::Text(StringMatcher::exact("2")), false).matches(&twice));
        assert!(!matcher(HeaderMatch::Text(StringMatcher::exact("2")), true).matches(&twice));
        assert!(!matcher(HeaderMatch::Text(StringMatcher::exact("1,2")), false).matches(&twice));
        let range = HeaderMatch::Range { start: -5, end: 10 };
        for (value, expected) in [("-5", true), ("9", true), ("10", false), ("x", false), ("1.5", false)] {
            assert_eq!(matcher(range.clone(), false).matches(&with(value)), expected, "{value}");
        }
    }
}
