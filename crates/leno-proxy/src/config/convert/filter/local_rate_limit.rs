//! Limits of requests ([`envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit`]).
//!
//! [`envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/local_ratelimit/v3/local_rate_limit.proto

use std::time::Duration;

use leno_engine::{
    filter::{FilterConfig, LimitedStatus, LocalRateLimit, TokenBucket},
    fraction::Fraction,
    route::HeaderEdits,
};
use leno_proto::v3::{
    common_ratelimit::XRateLimitHeadersRfcVersion, core::HeaderValueOption, local_ratelimit::LocalRateLimit as Proto,
    r#type::TokenBucket as BucketProto,
};

use super::super::{
    check::{Check, at, join},
    fraction,
    header::{self, Known},
};

/// The shortest time in which tokens come back: Envoy's.
const SHORTEST: Duration = Duration::from_millis(50);

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
    // It is about descriptors, of which there are none.
    proto.always_consume_default_token_bucket = None;
    check.rest(path, &proto);
    let limit = LocalRateLimit {
        stat_prefix: stat_prefix.into(),
        status,
        bucket,
        enabled,
        enforced,
        unenforced_headers,
        response_headers,
        tells,
        exhausted,
    };
    FilterConfig::LocalRateLimit(limit.into())
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
    Some(TokenBucket::new(proto.max_tokens, per_fill, interval))
}

fn writes(check: &mut Check, path: &str, field: &str, options: Vec<HeaderValueOption>) -> HeaderEdits {
    let options = options.into_iter().enumerate();
    let add = options
        .filter_map(|(index, option)| header::write(check, &at(path, field, index), option, Known::Nothing))
        .collect();
    HeaderEdits { remove: Vec::new(), add }
}
