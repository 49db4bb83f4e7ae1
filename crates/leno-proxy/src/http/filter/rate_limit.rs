//! How many requests there may be in a time.

use std::time::Duration;

use leno_engine::{
    filter::{LimitedStatus, LocalRateLimit, RateLimitVerdict, TokenBucket},
    route::{HeaderAppend, HeaderEdits, HeaderText, HeaderWrite},
};

use super::{super::reply::Reply, Filtered, Setting, answered};
use crate::{
    clock,
    error::ErrorKind,
    telemetry::{
        decision::{FilterDecided, FilterDecision, FilterName},
        event::Denied,
    },
};

/// gRPC's `RESOURCE_EXHAUSTED`.
pub(super) const RESOURCE_EXHAUSTED: u32 = 8;

impl Filtered {
    /// Counts a request; the answer, when it is one too many.
    pub(super) fn rate_limit(&mut self, limit: &LocalRateLimit, setting: &Setting<'_>) -> Option<Reply> {
        let now = clock::now();
        let verdict = limit.check(now, &mut rand::rng());
        if let Some(bucket) = limit.bucket.as_ref().filter(|_| limit.tells && verdict != RateLimitVerdict::Skipped) {
            let told = told(bucket, bucket.remaining(now), seconds(bucket.wait(now)));
            self.edit_answer(std::iter::once(&[told][..]));
        }
        let decision = match verdict {
            RateLimitVerdict::Skipped => FilterDecision::Disabled,
            RateLimitVerdict::Passed => FilterDecision::Allowed,
            RateLimitVerdict::Unenforced => FilterDecision::NotEnforced,
            RateLimitVerdict::Refused => FilterDecision::OverLimit,
        };
        FilterDecided { worker: &setting.connection.worker, filter: FilterName::LocalRateLimit, decision }.emit();
        match verdict {
            RateLimitVerdict::Skipped | RateLimitVerdict::Passed => None,
            RateLimitVerdict::Unenforced => {
                self.request_edits.push(limit.unenforced_headers.clone());
                None
            }
            RateLimitVerdict::Refused => {
                let Setting { connection, callee, protocol, .. } = *setting;
                let reason = ErrorKind::RateLimited;
                let detail = format!("rate limited: {}", limit.stat_prefix);
                Denied { connection, callee, reason, detail: &detail, protocol, request: None, enforced: true }.emit();
                let LimitedStatus(status) = limit.status;
                let mut reply = answered(reason, status, "local_rate_limited".to_owned());
                reply.grpc = limit.exhausted.then_some(RESOURCE_EXHAUSTED);
                Some(reply.edited(std::slice::from_ref(&limit.response_headers)))
            }
        }
    }
}

/// In whole seconds, rather too long than too short.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// The headers that tell a limit.
fn told(bucket: &TokenBucket, remaining: u32, reset: u64) -> HeaderEdits {
    let values = [
        ("x-ratelimit-limit", bucket.limit().to_string()),
        ("x-ratelimit-remaining", remaining.to_string()),
        ("x-ratelimit-reset", reset.to_string()),
    ];
    let write = |(name, value): (&str, String)| HeaderWrite {
        name: name.into(),
        value: HeaderText::Plain(value.into()),
        append: HeaderAppend::Overwrite,
    };
    HeaderEdits { remove: Vec::new(), add: values.map(write).into() }
}
