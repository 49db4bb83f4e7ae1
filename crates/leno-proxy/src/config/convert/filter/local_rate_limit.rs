//! Limits of requests ([`envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit`]).
//!
//! [`envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/local_ratelimit/v3/local_rate_limit.proto

use std::{collections::HashSet, sync::Arc, time::Duration};

use leno_engine::{
    filter::{
        Entries, FilterConfig, LimitedStatus, Limiter, LocalRateLimit, TokenBucket,
        rate_limit::{RateLimitRule, VirtualHostLimits},
    },
    fraction::Fraction,
    route::HeaderEdits,
};
use leno_proto::v3::{
    common_ratelimit::{LocalRateLimitDescriptor, VhRateLimitsOptions, XRateLimitHeadersRfcVersion},
    core::HeaderValueOption,
    local_ratelimit::LocalRateLimit as Proto,
    r#type::TokenBucket as BucketProto,
};

use super::super::{
    UNSUPPORTED,
    check::{Check, at, join},
    fraction,
    header::{self, Known},
    rate_limit::{self, MAX_STAGE},
};

/// The shortest time in which tokens come back: Envoy's.
const SHORTEST: Duration = Duration::from_millis(50);
/// How many values of a descriptor have buckets where nothing is said: Envoy's.
const DYNAMIC: usize = 20;
/// The most that may be asked for: their buckets are kept in memory.
const MAX_DYNAMIC: u32 = 1_000_000;

pub(super) fn convert(check: &mut Check, path: &str, mut proto: Proto) -> FilterConfig {
    let stat_prefix = std::mem::take(&mut proto.stat_prefix);
    let stat_prefix = check.name(&join(path, "stat_prefix"), stat_prefix).unwrap_or_default();
    // Below 400 a refusal would look like an answer; Envoy takes 429 then.
    let status = proto.status.take().and_then(|status| u16::try_from(status.code).ok()).filter(|code| *code >= 400);
    let status = status.map_or_else(LimitedStatus::default, LimitedStatus);
    let bucket = proto.token_bucket.take().and_then(|bucket| self::bucket(check, &join(path, "token_bucket"), &bucket));
    let enabled = fraction::runtime(check, &join(path, "filter_enabled"), proto.filter_enabled.take(), Fraction::NONE);
    let enforced =
        fraction::runtime(check, &join(path, "filter_enforced"), proto.filter_enforced.take(), Fraction::NONE);
    let unenforced = std::mem::take(&mut proto.request_headers_to_add_when_not_enforced);
    let unenforced_headers = writes(check, path, "request_headers_to_add_when_not_enforced", unenforced);
    let response_headers =
        writes(check, path, "response_headers_to_add", std::mem::take(&mut proto.response_headers_to_add));
    let tells = std::mem::take(&mut proto.enable_x_ratelimit_headers);
    let tells = tells == XRateLimitHeadersRfcVersion::DraftVersion03 as i32;
    let exhausted = std::mem::take(&mut proto.rate_limited_as_resource_exhausted);
    let always = proto.always_consume_default_token_bucket.take().is_none_or(|it| it.value);
    let most = most(check, path, &mut proto);
    let descriptors = descriptors(check, path, std::mem::take(&mut proto.descriptors));
    let limiter = Arc::new(Limiter::new(bucket, descriptors, most, always));
    let by_connection = std::mem::take(&mut proto.local_rate_limit_per_downstream_connection);
    let rules = rules(check, path, &mut proto);
    let virtual_host = match VhRateLimitsOptions::try_from(std::mem::take(&mut proto.vh_rate_limits)) {
        Ok(VhRateLimitsOptions::Override) => VirtualHostLimits::Override,
        Ok(VhRateLimitsOptions::Include) => VirtualHostLimits::Include,
        Ok(VhRateLimitsOptions::Ignore) => VirtualHostLimits::Ignore,
        Err(_) => {
            check.wrong(&join(path, "vh_rate_limits"), "unknown", "OVERRIDE, INCLUDE or IGNORE");
            VirtualHostLimits::Override
        }
    };
    if proto.stage > MAX_STAGE {
        check.wrong(&join(path, "stage"), proto.stage.to_string(), "0 to 10");
    }
    let stage = std::mem::take(&mut proto.stage);
    check.rest(path, &proto);
    let limit = LocalRateLimit {
        stat_prefix: stat_prefix.into(),
        status,
        limiter,
        by_connection,
        rules,
        stage,
        virtual_host,
        enabled,
        enforced,
        unenforced_headers,
        response_headers,
        tells,
        exhausted,
    };
    FilterConfig::LocalRateLimit(limit.into())
}

/// How many values of each descriptor have buckets at the same time.
fn most(check: &mut Check, path: &str, proto: &mut Proto) -> usize {
    let Some(most) = proto.max_dynamic_descriptors.take() else { return DYNAMIC };
    if !(1..=MAX_DYNAMIC).contains(&most.value) {
        check.wrong(&join(path, "max_dynamic_descriptors"), most.value.to_string(), "1 to 1000000");
    }
    usize::try_from(most.value).unwrap_or(DYNAMIC)
}

/// Buckets of their own.
fn descriptors(check: &mut Check, path: &str, protos: Vec<LocalRateLimitDescriptor>) -> Vec<(Entries, TokenBucket)> {
    let mut seen = HashSet::new();
    let mut made = Vec::with_capacity(protos.len());
    for (index, mut proto) in protos.into_iter().enumerate() {
        let path = at(path, "descriptors", index);
        let entries = std::mem::take(&mut proto.entries).into_iter();
        let entries: Entries = entries.map(|entry| (entry.key, entry.value)).collect();
        if entries.is_empty() || entries.iter().any(|(key, _)| key.is_empty()) {
            check.wrong(&join(&path, "entries"), "empty", "at least one, each with a key");
        }
        if !seen.insert(entries.clone()) {
            check.wrong(&join(&path, "entries"), format!("{entries:?}"), "what no other descriptor has");
        }
        let Some(tokens) = proto.token_bucket.take() else {
            check.wrong(&join(&path, "token_bucket"), "missing", "a token bucket");
            continue;
        };
        let bucket = bucket(check, &join(&path, "token_bucket"), &tokens);
        check.rest(&path, &proto);
        made.extend(bucket.map(|bucket| (entries, bucket)));
    }
    made
}

/// The filter's own rules.
fn rules(check: &mut Check, path: &str, proto: &mut Proto) -> Vec<RateLimitRule> {
    let rules = rate_limit::rules(check, path, "rate_limits", std::mem::take(&mut proto.rate_limits));
    for (index, rule) in rules.iter().enumerate() {
        if rule.limit.is_some() {
            let expected = format!("none, as the limits are those of descriptors: {UNSUPPORTED}");
            check.wrong(&join(&at(path, "rate_limits", index), "limit"), "set", expected);
        }
    }
    rules
}

/// Tokens that come back in time.
pub(in super::super) fn bucket(check: &mut Check, path: &str, proto: &BucketProto) -> Option<TokenBucket> {
    let interval = check.duration(&join(path, "fill_interval"), &proto.fill_interval.unwrap_or_default())?;
    if interval < SHORTEST {
        check.wrong(&join(path, "fill_interval"), format!("{interval:?}"), "at least 50ms");
        return None;
    }
    let per_fill = proto.tokens_per_fill.map_or(1, |tokens| tokens.value);
    if per_fill == 0 {
        check.wrong(&join(path, "tokens_per_fill"), "0", "at least 1");
    }
    if proto.max_tokens == 0 {
        check.wrong(&join(path, "max_tokens"), "0", "at least 1");
    }
    Some(TokenBucket::new(proto.max_tokens, per_fill, interval))
}

fn writes(check: &mut Check, path: &str, field: &str, options: Vec<HeaderValueOption>) -> HeaderEdits {
    let options = options.into_iter().enumerate();
    let add = options
        .filter_map(|(index, option)| header::write(check, &at(path, field, index), option, Known::Nothing))
        .collect();
    HeaderEdits { remove: Vec::new(), add }
}
