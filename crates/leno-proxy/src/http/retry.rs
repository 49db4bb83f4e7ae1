//! The attempts of one request: what its policy and the cluster's breaker allow.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use leno_engine::resilience::{AnswerHead, Failure, Resend, Retry};

use super::decide::Routed;
use crate::config::{Counted, Endpoint};

/// How much of a request is kept so that it can be sent again.
pub(super) const REPLAY: usize = 64 * 1024;

/// The attempts of one request.
#[derive(Debug)]
pub(super) struct Retries<'a> {
    routed: &'a Routed,
    state: Retry,
    /// The retry that is under way, until its answer begins.
    under_way: Option<Counted<'a>>,
    /// The wait before the next attempt, once that is claimed.
    wait: Option<Duration>,
    exhausted: bool,
    /// The endpoint that is asked, and since when; only where the cluster goes by latency.
    asked: Option<(Arc<Endpoint>, Instant)>,
}

impl<'a> Retries<'a> {
    /// Of a request that was not sent yet.
    pub(super) fn of(routed: &'a Routed) -> Self {
        Self { routed, state: Retry::default(), under_way: None, wait: None, exhausted: false, asked: None }
    }

    /// An attempt begins at this endpoint.
    pub(super) fn begin(&mut self, endpoint: &Arc<Endpoint>) {
        if self.routed.cluster.goes_by_latency() {
            self.asked = Some((Arc::clone(endpoint), Instant::now()));
        }
    }

    /// The attempt's answer began, or did not come in time.
    fn measure(&mut self) {
        if let Some((endpoint, since)) = self.asked.take() {
            self.routed.cluster.answered(&endpoint, since.elapsed());
        }
    }

    /// Whether the request is sent again after this failure: if so, that is what happens next. `replayable`: whether it
    /// can be sent once more as it was.
    pub(super) fn claim(&mut self, failure: Failure, replayable: bool) -> bool {
        self.under_way = None;
        if let Failure::Reset | Failure::PerTryTimeout = failure {
            self.measure();
        }
        let policy = self.routed.retry.as_deref();
        let next = self.state.next(policy, failure, replayable, &mut rand::rng());
        self.wait = match next {
            Some(Resend::Safe) => Some(Duration::ZERO),
            Some(Resend::Policy(wait)) => {
                self.under_way = self.routed.cluster.breaker.retry();
                self.under_way.is_some().then_some(wait)
            }
            None => None,
        };
        self.exhausted = self.wait.is_none() && self.state.is_exhausted(policy, failure);
        self.wait.is_some()
    }

    /// The same for an answer that came.
    pub(super) fn claim_answer(&mut self, answer: &impl AnswerHead, replayable: bool) -> bool {
        self.measure();
        let Some(policy) = &self.routed.retry else { return false };
        let Some(failure) = policy.on.failure(answer) else { return false };
        if !self.claim(failure, replayable) {
            return false;
        }
        if let Some(headers) = &policy.reset_headers {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            self.wait = headers.wait(answer, now, &mut rand::rng()).or(self.wait);
        }
        true
    }

    /// The wait before the attempt that was claimed.
    pub(super) fn claimed(&mut self) -> Option<Duration> {
        self.wait.take()
    }

    /// An answer is passed back: whatever comes now, the request is not sent again.
    pub(super) fn settle(&mut self) {
        self.under_way = None;
    }

    /// How often the request was sent again.
    pub(super) fn resends(&self) -> u32 {
        self.state.resends()
    }

    /// Response flags, with `URX` added when every retry of the policy was used.
    pub(super) fn flags(&self, flags: &'static str) -> &'static str {
        match (self.exhausted, flags) {
            (false, flags) => flags,
            (true, "UC") => "UC,URX",
            (true, "UF") => "UF,URX",
            (true, "UPE") => "UPE,URX",
            (true, "UR") => "UR,URX",
            (true, "UT") => "UT,URX",
            (true, _) => "URX",
        }
    }
}
