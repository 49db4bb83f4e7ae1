//! Whether to try again ([`envoy.config.route.v3.RetryPolicy`]).
//!
//! Without a policy only that is sent again of which nothing can have been processed: the connection could not be made,
//! or a kept connection turned out to be closed before anything was sent on it, or the endpoint said that it did not
//! process the request. Those are no retries in Envoy's sense and are not counted against a policy's.
//!
//! [`envoy.config.route.v3.RetryPolicy`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-retrypolicy

use std::time::Duration;

use rand::Rng;

use super::{Backoff, HostSelection, ResetHeaders, RetryOn};
use crate::{matcher::HeaderMatcher, request::RequestHead};

/// How an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// The connection could not be made: nothing was sent.
    Connect,
    /// A kept connection was closed before the endpoint can have read the request, or the endpoint said that it did not
    /// process it (HTTP/2 `REFUSED_STREAM`, or above the last stream of `GOAWAY`).
    NotProcessed,
    /// The connection broke, or the stream was reset, after the request was sent and before an answer began.
    Reset,
    /// The attempt's time was up.
    PerTryTimeout,
    /// The endpoint's answer, of this status, is one after which the policy tries again; see [`RetryOn::failure`].
    Answer(u16),
}

/// When to try again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetryPolicy {
    /// After what.
    pub on: RetryOn,
    /// How often, beside the first attempt.
    pub retries: u32,
    /// How long one attempt may take; `None`: as long as the whole request.
    pub per_try_timeout: Option<Duration>,
    /// How long to wait before.
    pub backoff: Backoff,
    /// Whether an answer says itself when to come back.
    pub reset_headers: Option<ResetHeaders>,
    /// Only requests with one of these headers are tried again; empty: all.
    pub request_headers: Vec<HeaderMatcher>,
    /// Which endpoint is tried next.
    pub hosts: HostSelection,
}

impl RetryPolicy {
    /// Whether the policy is for this request.
    pub fn is_for(&self, request: &impl RequestHead) -> bool {
        self.request_headers.is_empty() || self.request_headers.iter().any(|header| header.matches(request))
    }
}

/// Sends of one request that are safe without a policy, beside the first: enough to get past the pods of a rolling
/// update, few enough to end soon.
pub const MAX_SAFE_RESENDS: u32 = 3;

/// Another send of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resend {
    /// Nothing can have been processed: at once, as another endpoint is tried.
    Safe,
    /// The policy wants it, after this wait.
    Policy(Duration),
}

/// The attempts of one request.
#[derive(Clone, Debug, Default)]
pub struct Retry {
    safe: u32,
    retried: u32,
}

impl Retry {
    /// Whether to try again after a failure; `None`: no. `replayable` says whether the request can be sent once more as
    /// it was.
    pub fn next(
        &mut self,
        policy: Option<&RetryPolicy>,
        failure: Failure,
        replayable: bool,
        random: &mut impl Rng,
    ) -> Option<Resend> {
        if !replayable {
            return None;
        }
        if let Some(policy) = policy
            && self.retried < policy.retries
            && policy.on.covers(failure)
        {
            let wait = policy.backoff.wait(self.retried, random);
            self.retried += 1;
            return Some(Resend::Policy(wait));
        }
        let safe = matches!(failure, Failure::Connect | Failure::NotProcessed);
        if safe && self.safe < MAX_SAFE_RESENDS {
            self.safe += 1;
            return Some(Resend::Safe);
        }
        None
    }

    /// How often the request was sent again.
    #[must_use]
    pub fn resends(&self) -> u32 {
        self.safe + self.retried
    }

    /// Whether the policy would try again after this, had not all of its retries been used: the flag `URX`.
    #[must_use]
    pub fn is_exhausted(&self, policy: Option<&RetryPolicy>, failure: Failure) -> bool {
        policy.is_some_and(|policy| self.retried >= policy.retries && policy.on.covers(failure))
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;

    fn attempts(policy: Option<&RetryPolicy>, failure: Failure, replayable: bool) -> u32 {
        let mut random = StdRng::seed_from_u64(1);
        let mut retry = Retry::default();
        while retry.next(policy, failure, replayable, &mut random).is_some() {}
        retry.resends()
    }

    #[test]
    fn without_a_policy_only_what_was_not_processed_is_sent_again() {
        assert_eq!(attempts(None, Failure::Connect, true), MAX_SAFE_RESENDS);
        assert_eq!(attempts(None, Failure::NotProcessed, true), MAX_SAFE_RESENDS);
        for failure in [Failure::Reset, Failure::PerTryTimeout, Failure::Answer(503)] {
            assert_eq!(attempts(None, failure, true), 0, "{failure:?}");
        }
        assert_eq!(attempts(None, Failure::Connect, false), 0);
    }

    #[test]
    fn a_policy_bounds_its_retries() {
        let on = RetryOn { reset: true, ..RetryOn::default() };
        let policy = RetryPolicy { on, retries: 5, ..RetryPolicy::default() };
        assert_eq!(attempts(Some(&policy), Failure::Answer(503), true), 5);
        assert_eq!(attempts(Some(&policy), Failure::Reset, true), 5);
        assert_eq!(attempts(Some(&policy), Failure::Connect, true), MAX_SAFE_RESENDS);
        assert_eq!(attempts(Some(&policy), Failure::Reset, false), 0);
    }
}
