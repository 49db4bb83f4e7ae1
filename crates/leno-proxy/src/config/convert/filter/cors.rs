//! Cross-origin requests ([`envoy.extensions.filters.http.cors.v3.CorsPolicy`]).
//!
//! [`envoy.extensions.filters.http.cors.v3.CorsPolicy`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/cors/v3/cors.proto

use leno_engine::{filter::CorsPolicy, fraction::Fraction};
use leno_proto::v3::cors::CorsPolicy as Proto;

use super::super::{
    check::{Check, at, join},
    fraction, matcher,
};

pub(super) fn convert(check: &mut Check, path: &str, mut proto: Proto) -> CorsPolicy {
    let origins = std::mem::take(&mut proto.allow_origin_string_match).into_iter().enumerate();
    let origins = origins
        .filter_map(|(index, one)| matcher::string(check, &at(path, "allow_origin_string_match", index), one))
        .collect();
    let enabled = fraction::runtime(check, &join(path, "filter_enabled"), proto.filter_enabled.take(), Fraction::ALL);
    let mut text = |field: &str, value: &mut String| -> Box<str> {
        let value = std::mem::take(value);
        if value.bytes().any(|byte| byte.is_ascii_control()) {
            check.wrong(&join(path, field), format!("{value:?}"), "a header's value");
        }
        value.into()
    };
    let methods = text("allow_methods", &mut proto.allow_methods);
    let headers = text("allow_headers", &mut proto.allow_headers);
    let expose = text("expose_headers", &mut proto.expose_headers);
    let max_age = text("max_age", &mut proto.max_age);
    let policy = CorsPolicy {
        origins,
        methods,
        headers,
        expose,
        max_age,
        credentials: proto.allow_credentials.take().map(|it| it.value),
        private_network: proto.allow_private_network_access.take().map(|it| it.value),
        enabled,
        forward_others: proto.forward_not_matching_preflights.take().map(|it| it.value),
    };
    check.rest(path, &proto);
    policy
}
