//! After what a request is sent again ([`x-envoy-retry-on`], [`x-envoy-retry-grpc-on`]).
//!
//! [`x-envoy-retry-on`]: https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter#x-envoy-retry-on
//! [`x-envoy-retry-grpc-on`]: https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter#x-envoy-retry-grpc-on

use super::Failure;
use crate::matcher::HeaderMatcher;

/// The header by which Envoy's rate limit says that it was that.
const RATE_LIMITED: &str = "x-envoy-ratelimited";

/// The head of an answer, whatever it is stored as.
pub trait AnswerHead {
    /// The status.
    fn status(&self) -> u16;

    /// The values of a header (name in lower case), one for each time that it is there.
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]>;
}

/// After what to try again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetryOn {
    /// Any status from 500 up, and whatever breaks (`5xx`).
    pub server_error: bool,
    /// 502, 503 and 504 (`gateway-error`).
    pub gateway_error: bool,
    /// The connection could not be made (`connect-failure`).
    pub connect_failure: bool,
    /// The answer did not begin (`reset`).
    pub reset: bool,
    /// The endpoint said that it did not process the request (`refused-stream`).
    pub refused_stream: bool,
    /// 409 (`retriable-4xx`).
    pub conflict: bool,
    /// A rate limit of Envoy's refused it (`envoy-ratelimited`); without this such an answer is passed back whatever its
    /// status.
    pub rate_limited: bool,
    /// These statuses (`retriable-status-codes`).
    pub statuses: Vec<u16>,
    /// These codes of gRPC, where the head of the answer tells one (`cancelled`, `unavailable`…).
    pub grpc: Vec<u8>,
    /// An answer with one of these headers (`retriable-headers`).
    pub headers: Vec<HeaderMatcher>,
}

impl RetryOn {
    /// Whether to try again after this.
    #[must_use]
    pub fn covers(&self, failure: Failure) -> bool {
        match failure {
            Failure::Connect => self.connect_failure || self.server_error,
            Failure::NotProcessed => self.refused_stream || self.reset || self.server_error,
            Failure::Reset => self.reset || self.server_error,
            Failure::PerTryTimeout => self.server_error || self.gateway_error || self.reset,
            Failure::Answer(_) => true,
        }
    }

    /// The failure that this answer is; `None`: it is passed back.
    pub fn failure(&self, answer: &impl AnswerHead) -> Option<Failure> {
        let status = answer.status();
        if answer.values(RATE_LIMITED).next().is_some() {
            return self.rate_limited.then_some(Failure::Answer(status));
        }
        let of_status = (self.server_error && (500..600).contains(&status))
            || (self.gateway_error && matches!(status, 502..=504))
            || (self.conflict && status == 409)
            || self.statuses.contains(&status);
        let of_grpc = || {
            let code = answer.values("grpc-status").next();
            let code = code.and_then(|code| std::str::from_utf8(code).ok()).and_then(|code| code.parse().ok());
            code.is_some_and(|code| self.grpc.contains(&code))
        };
        let of_header = || {
            self.headers.iter().any(|header| match &*header.name {
                ":status" => header.matches_values(std::iter::once(status.to_string().as_bytes())),
                name => header.matches_values(answer.values(name)),
            })
        };
        let covered = of_status || (!self.grpc.is_empty() && of_grpc()) || of_header();
        covered.then_some(Failure::Answer(status))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matcher::{HeaderMatch, StringMatcher};

    struct Answered(u16, &'static [(&'static str, &'static str)]);

    impl AnswerHead for Answered {
        fn status(&self) -> u16 {
            self.0
        }

        fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
            self.1.iter().filter(move |(key, _)| *key == name).map(|(_, value)| value.as_bytes())
        }
    }

    #[test]
    fn statuses_codes_and_headers_are_covered() {
        let header = HeaderMatcher {
            name: "x-again".into(),
            fits: HeaderMatch::Text(StringMatcher::exact("1")),
            invert: false,
            missing_as_empty: false,
        };
        let on = RetryOn {
            gateway_error: true,
            statuses: vec![418],
            grpc: vec![14],
            headers: vec![header],
            ..RetryOn::default()
        };
        for covered in [
            Answered(503, &[]),
            Answered(418, &[]),
            Answered(200, &[("grpc-status", "14")]),
            Answered(200, &[("x-again", "0"), ("x-again", "1")]),
        ] {
            assert_eq!(on.failure(&covered), Some(Failure::Answer(covered.0)), "{} {:?}", covered.0, covered.1);
        }
        for passed in [
            Answered(500, &[]),
            Answered(200, &[("grpc-status", "13")]),
            Answered(200, &[("grpc-status", "x")]),
            Answered(200, &[("x-again", "2")]),
            Answered(503, &[("x-envoy-ratelimited", "true")]),
        ] {
            assert_eq!(on.failure(&passed), None, "{} {:?}", passed.0, passed.1);
        }
        let limited = RetryOn { rate_limited: true, ..RetryOn::default() };
        assert!(limited.failure(&Answered(429, &[("x-envoy-ratelimited", "true")])).is_some());
        assert!(limited.failure(&Answered(429, &[])).is_none());
    }
}
