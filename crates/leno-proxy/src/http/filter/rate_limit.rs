//! How many requests there may be in a time.

use std::time::Duration;

use leno_engine::{
    filter::{LimitedStatus, LocalRateLimit, RateLimitVerdict, Remaining},
    request::RequestHead,
    route::{HeaderAppend, HeaderEdits, HeaderText, HeaderWrite},
};

use super::{
    super::{judged::Judged, reply::Reply},
    Filtered, Setting, answered,
};
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
    pub(super) fn rate_limit<R: RequestHead>(
        &mut self,
        limit: &LocalRateLimit,
        setting: &Setting<'_>,
        request: &Judged<'_, R>,
    ) -> Option<Reply> {
        let decided = |decision| {
            FilterDecided { worker: &setting.connection.worker, filter: FilterName::LocalRateLimit, decision }.emit();
        };
        if !limit.counts(&mut rand::rng()) {
            decided(FilterDecision::Disabled);
            return None;
        }
        let descriptors = if limit.limiter.has_descriptors() {
            self.descriptors(setting, request, &limit.rules, (limit.virtual_host, limit.stage))
        } else {
            Vec::new()
        };
        let own = limit.by_connection.then(|| setting.connection.limiters.get_or_init(Box::default).of(&limit.limiter));
        let limiter = own.as_deref().unwrap_or(&limit.limiter);
        let verdict = limit.check(limiter, &descriptors, clock::now(), &mut rand::rng());
        let (RateLimitVerdict::Passed(left) | RateLimitVerdict::Unenforced(left) | RateLimitVerdict::Refused(left)) =
            &verdict;
        if let Some(left) = left {
            self.edit_answer(std::iter::once(&[told(left)][..]));
        }
        match verdict {
            RateLimitVerdict::Passed(_) => {
                decided(FilterDecision::Allowed);
                None
            }
            RateLimitVerdict::Unenforced(_) => {
                decided(FilterDecision::NotEnforced);
                self.request_edits.push(limit.unenforced_headers.clone());
                None
            }
            RateLimitVerdict::Refused(_) => {
                decided(FilterDecision::OverLimit);
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
fn told(left: &Remaining) -> HeaderEdits {
    let values = [
        ("x-ratelimit-limit", left.limit.to_string()),
        ("x-ratelimit-remaining", left.tokens.to_string()),
        ("x-ratelimit-reset", seconds(left.wait).to_string()),
    ];
    let write = |(name, value): (&str, String)| HeaderWrite {
        name: name.into(),
        value: HeaderText::Plain(value.into()),
        append: HeaderAppend::Overwrite,
    };
    HeaderEdits { remove: Vec::new(), add: values.map(write).into() }
}
