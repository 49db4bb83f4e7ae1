//! How much a server takes: filters of its own sidecar ([HTTP], [network]).
//!
//! Where nothing of HTTP is limited the filter lets everything pass; routes of their own give it the limits of some
//! requests.
//!
//! [HTTP]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/local_ratelimit/v3/local_rate_limit.proto
//! [network]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/network/local_ratelimit/v3/local_rate_limit.proto

use std::time::Duration;

use leno_model::policy::{
    TrafficSettings,
    traffic::{CountBy, HttpLimit, HttpRate, Share},
};
use leno_proto::{
    any,
    google::protobuf::{Any, BoolValue, UInt64Value},
    v3::{
        common_ratelimit::{LocalRateLimitDescriptor, rate_limit_descriptor::Entry},
        connection_limit::ConnectionLimit,
        core::{HeaderValue, HeaderValueOption, RuntimeFractionalPercent},
        listener::Filter,
        local_ratelimit::LocalRateLimit,
        network_local_ratelimit,
        route::{RateLimit, rate_limit::Action},
        r#type::{HttpStatus, TokenBucket},
    },
};

use super::{
    fault,
    global_rate_limit::{self, Who},
};
use crate::message::{duration, network_filter, uint32};

/// The filter's name: routes name it to say something for it.
pub(crate) const FILTER: &str = "envoy.filters.http.local_ratelimit";

/// Of how many values there are buckets at the same time. Envoy's own, 20, would forget callers that come back.
const COUNTED: u32 = 10_000;

/// The filter of all requests.
pub(crate) fn filter(limit: &HttpLimit, stat_prefix: &str) -> Any {
    match &limit.rate {
        Some(rate) => limited(rate, stat_prefix),
        None => any::pack(&LocalRateLimit { stat_prefix: stat_prefix.to_owned(), ..Default::default() }),
    }
}

/// The same with a limit.
pub(crate) fn limited(rate: &HttpRate, stat_prefix: &str) -> Any {
    let header = |(key, value): &(String, String)| HeaderValueOption {
        header: Some(HeaderValue { key: key.clone(), value: value.clone(), ..Default::default() }),
        ..Default::default()
    };
    let apart = !rate.by.is_empty();
    any::pack(&LocalRateLimit {
        rate_limits: apart.then(|| counted(&rate.by)).into_iter().collect(),
        descriptors: apart.then(|| each(rate)).into_iter().collect(),
        max_dynamic_descriptors: apart.then(|| uint32(COUNTED)),
        always_consume_default_token_bucket: apart.then_some(BoolValue { value: false }),
        stat_prefix: stat_prefix.to_owned(),
        status: Some(HttpStatus { code: rate.status.into() }),
        token_bucket: Some(bucket(rate.requests, rate.per, rate.burst)),
        filter_enabled: Some(always("local_rate_limit_enabled")),
        filter_enforced: Some(always("local_rate_limit_enforced")),
        response_headers_to_add: rate.headers.iter().map(header).collect(),
        ..Default::default()
    })
}

/// What makes a descriptor of a request.
fn counted(by: &[CountBy]) -> RateLimit {
    let action = |one| Action { action_specifier: Some(global_rate_limit::by(one, Who::Peer)) };
    RateLimit { actions: by.iter().map(action).collect(), ..Default::default() }
}

/// A bucket for each value: an entry without one fits any.
fn each(rate: &HttpRate) -> LocalRateLimitDescriptor {
    let key = |by: &CountBy| match by {
        CountBy::Header(name) | CountBy::QueryParameter(name) => name.clone(),
        CountBy::Path => "path".to_owned(),
        CountBy::Method => "method".to_owned(),
        CountBy::Caller => "caller".to_owned(),
        CountBy::RemoteAddress => "remote_address".to_owned(),
    };
    let entry = |by| Entry { key: key(by), value: String::new() };
    LocalRateLimitDescriptor {
        entries: rate.by.iter().map(entry).collect(),
        token_bucket: Some(bucket(rate.requests, rate.per, rate.burst)),
        ..Default::default()
    }
}

/// The filter of connections of bytes that come too fast.
pub(crate) fn connection_rate(settings: &TrafficSettings, stat_prefix: &str) -> Option<Filter> {
    let limit = settings.rate_limit.as_ref()?.tcp?;
    let config = network_local_ratelimit::LocalRateLimit {
        stat_prefix: stat_prefix.to_owned(),
        token_bucket: Some(bucket(limit.connections, limit.per, limit.burst)),
        ..Default::default()
    };
    Some(network_filter("envoy.filters.network.local_ratelimit", any::pack(&config)))
}

/// The filter of connections that are too many at the same time.
pub(crate) fn connections(settings: &TrafficSettings, stat_prefix: &str) -> Option<Filter> {
    let config = ConnectionLimit {
        stat_prefix: stat_prefix.to_owned(),
        max_connections: Some(UInt64Value { value: settings.inbound_connections?.into() }),
        ..Default::default()
    };
    Some(network_filter("envoy.filters.network.connection_limit", any::pack(&config)))
}

/// So many in a time, and so many more at once.
pub(crate) fn bucket(count: u32, per: Duration, burst: u32) -> TokenBucket {
    TokenBucket {
        max_tokens: count.saturating_add(burst),
        tokens_per_fill: Some(uint32(count)),
        fill_interval: Some(duration(per)),
    }
}

fn always(runtime_key: &str) -> RuntimeFractionalPercent {
    RuntimeFractionalPercent { default_value: Some(fault::share(Share::ALL)), runtime_key: runtime_key.to_owned() }
}
