//! To which answers something happens ([`AccessLogFilter`]).
//!
//! [`AccessLogFilter`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/accesslog/v3/accesslog.proto#config-accesslog-v3-accesslogfilter

use crate::{matcher::HeaderMatcher, request::RequestHead};

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// The status compares so with a number.
    Status(Comparison, u32),
    /// The request has such a header.
    Header(HeaderMatcher),
    /// The answer has one of these response flags; none: any of all.
    Flags(Vec<Box<str>>),
    /// All of these hold.
    All(Vec<Self>),
    /// One of these holds.
    Any(Vec<Self>),
}

/// How numbers compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// They are the same.
    Equal,
    /// It is so large or larger.
    AtLeast,
    /// It is so large or smaller.
    AtMost,
    /// They are not the same.
    Different,
}

impl Comparison {
    fn holds(self, one: u32, other: u32) -> bool {
        match self {
            Self::Equal => one == other,
            Self::AtLeast => one >= other,
            Self::AtMost => one <= other,
            Self::Different => one != other,
        }
    }
}

impl Condition {
    /// Whether it holds for an answer of this status and with these response flags (`-` for none).
    pub fn holds(&self, request: &impl RequestHead, status: u16, flags: &str) -> bool {
        match self {
            Self::Status(comparison, number) => comparison.holds(status.into(), *number),
            Self::Header(header) => header.matches(request),
            Self::Flags(wanted) if wanted.is_empty() => flags != "-",
            Self::Flags(wanted) => flags.split(',').any(|flag| wanted.iter().any(|wanted| &**wanted == flag)),
            Self::All(conditions) => conditions.iter().all(|one| one.holds(request, status, flags)),
            Self::Any(conditions) => conditions.iter().any(|one| one.holds(request, status, flags)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{matcher::HeaderMatch, request::SimpleRequest};

    #[test]
    fn conditions_hold_or_not() {
        let request = SimpleRequest::new("GET", "/", "host").with("x-a", "1");
        let header = |name: &str| {
            let fits = HeaderMatch::Present(true);
            Condition::Header(HeaderMatcher { name: name.into(), fits, invert: false, missing_as_empty: false })
        };
        let status = |comparison, number| Condition::Status(comparison, number);
        let flags = |flags: &[&str]| Condition::Flags(flags.iter().map(|flag| (*flag).into()).collect());
        for (condition, expected) in [
            (status(Comparison::Equal, 503), true),
            (status(Comparison::Different, 503), false),
            (status(Comparison::AtLeast, 504), false),
            (status(Comparison::AtMost, 504), true),
            (flags(&["NR", "URX"]), true),
            (flags(&["U"]), false),
            (flags(&[]), true),
            (Condition::All(vec![header("x-a"), flags(&["UF"])]), true),
            (Condition::All(vec![header("x-b"), flags(&["UF"])]), false),
            (Condition::Any(vec![header("x-b"), flags(&["UF"])]), true),
        ] {
            assert_eq!(condition.holds(&request, 503, "UF,URX"), expected, "{condition:?}");
        }
        assert!(!flags(&[]).holds(&request, 200, "-"), "an answer that is no failure has no flags");
    }
}
