//! The HTTP connection manager ([`envoy.extensions.filters.network.http_connection_manager.v3`]).
//!
//! [`envoy.extensions.filters.network.http_connection_manager.v3`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto

use std::sync::Arc;

use leno_engine::normalize::{EscapedSlashes, PathRules};
use leno_proto::v3::{
    core::Http2ProtocolOptions,
    http_connection_manager::{
        HttpConnectionManager as Proto,
        http_connection_manager::{CodecType, PathWithEscapedSlashesAction, RouteSpecifier, UpgradeConfig},
    },
};

use super::{
    super::{Codec, HttpConnectionManager, HttpLimits, Registry, RouteSource},
    access_log,
    check::{Check, at, join},
    filter, forwarding, route,
};

/// The most header fields that can be allowed: the HTTP/1 parser has room for so many.
#[expect(clippy::cast_possible_truncation, reason = "a few hundred")]
const MAX_FIELDS: u32 = leno_http1::Limits::MAX_FIELDS as u32;

/// The largest table that callers can be allowed to fill.
const MAX_TABLE: u32 = 1024 * 1024;

pub(super) fn convert(
    check: &mut Check,
    path: &str,
    mut proto: Proto,
    registry: &mut Registry,
) -> Option<HttpConnectionManager> {
    let stat_prefix = std::mem::take(&mut proto.stat_prefix).into();
    let codec = codec(check, path, std::mem::take(&mut proto.codec_type));
    let limits = limits(check, path, &mut proto);
    let paths = paths(check, path, &mut proto);
    let upgrades = std::mem::take(&mut proto.upgrade_configs).into_iter().enumerate();
    let upgrades =
        upgrades.filter_map(|(index, one)| upgrade(check, &at(path, "upgrade_configs", index), one)).collect();
    let filters = filter::convert(check, path, std::mem::take(&mut proto.http_filters));
    let asked = filters.iter().flat_map(|filter| filter.config.clusters());
    let services = asked.map(|name| (Box::from(name), registry.cluster(name))).collect();
    let access_log = access_log::convert(check, path, std::mem::take(&mut proto.access_log));
    let routes = match proto.route_specifier.take() {
        Some(RouteSpecifier::Rds(rds)) => {
            check.stream(&join(path, "rds.config_source"), rds.config_source);
            let name = check.name(&join(path, "rds.route_config_name"), rds.route_config_name);
            name.map(|name| RouteSource::Named(registry.routes(&name)))
        }
        Some(RouteSpecifier::RouteConfig(config)) => {
            let routes = route::convert(check, &join(path, "route_config"), config, registry);
            routes.map(|routes| RouteSource::Inline(Arc::new(routes)))
        }
        Some(RouteSpecifier::ScopedRoutes(_)) => check.unsupported(path, "scoped_routes", "rds or route_config"),
        None => {
            check.wrong(path, "no routes", "rds or route_config");
            None
        }
    };
    let forwarding = forwarding::convert(check, path, &mut proto);
    check.rest(path, &proto);
    Some(HttpConnectionManager {
        stat_prefix,
        codec,
        routes: routes?,
        filters,
        services,
        paths,
        limits,
        upgrades,
        forwarding,
        access_log,
    })
}

fn codec(check: &mut Check, path: &str, codec: i32) -> Codec {
    match CodecType::try_from(codec) {
        Ok(CodecType::Auto) => Codec::Auto,
        Ok(CodecType::Http1) => Codec::Http1,
        Ok(CodecType::Http2) => Codec::Http2,
        Ok(CodecType::Http3) | Err(_) => {
            check.wrong(&join(path, "codec_type"), codec.to_string(), "AUTO, HTTP1 or HTTP2");
            Codec::Auto
        }
    }
}

fn paths(check: &mut Check, path: &str, proto: &mut Proto) -> PathRules {
    let escaped = std::mem::take(&mut proto.path_with_escaped_slashes_action);
    let escaped_slashes = match PathWithEscapedSlashesAction::try_from(escaped) {
        Ok(
            PathWithEscapedSlashesAction::ImplementationSpecificDefault | PathWithEscapedSlashesAction::KeepUnchanged,
        ) => EscapedSlashes::Keep,
        Ok(PathWithEscapedSlashesAction::RejectRequest) => EscapedSlashes::Reject,
        Ok(PathWithEscapedSlashesAction::UnescapeAndRedirect) => EscapedSlashes::Redirect,
        Ok(PathWithEscapedSlashesAction::UnescapeAndForward) => EscapedSlashes::Decode,
        Err(_) => {
            check.wrong(&join(path, "path_with_escaped_slashes_action"), escaped.to_string(), "one of its values");
            EscapedSlashes::Keep
        }
    };
    PathRules {
        normalize: proto.normalize_path.take().is_some_and(|it| it.value),
        merge_slashes: std::mem::take(&mut proto.merge_slashes),
        escaped_slashes,
    }
}

fn limits(check: &mut Check, path: &str, proto: &mut Proto) -> HttpLimits {
    let mut limits = HttpLimits::default();
    let path_of = |field: &str| join(path, field);
    let stream = proto.stream_idle_timeout.take();
    limits.stream_idle_timeout = check.duration_or(&path_of("stream_idle_timeout"), stream, limits.stream_idle_timeout);
    let headers = proto.request_headers_timeout.take();
    limits.headers_timeout = check.duration_or(&path_of("request_headers_timeout"), headers, limits.headers_timeout);
    let request = proto.request_timeout.take();
    limits.request_timeout = check.duration_or(&path_of("request_timeout"), request, limits.request_timeout);
    if let Some(size) = proto.max_request_headers_kb.take() {
        if size.value == 0 || size.value > 8192 {
            check.wrong(&path_of("max_request_headers_kb"), size.value.to_string(), "1 to 8192");
        }
        limits.max_headers_bytes = size.value.saturating_mul(1024);
    }
    if let Some(mut options) = proto.common_http_protocol_options.take() {
        let idle = options.idle_timeout.take();
        limits.idle_timeout =
            check.duration_or(&path_of("common_http_protocol_options.idle_timeout"), idle, limits.idle_timeout);
        if let Some(count) = options.max_headers_count.take() {
            if count.value == 0 || count.value > MAX_FIELDS {
                let field = path_of("common_http_protocol_options.max_headers_count");
                check.wrong(&field, count.value.to_string(), format!("1 to {MAX_FIELDS}"));
            }
            limits.max_headers_count = count.value;
        }
        check.rest(&path_of("common_http_protocol_options"), &options);
    }
    if let Some(options) = proto.http2_protocol_options.take() {
        http2(check, &path_of("http2_protocol_options"), options, &mut limits);
    }
    limits
}

fn http2(check: &mut Check, path: &str, mut options: Http2ProtocolOptions, limits: &mut HttpLimits) {
    if let Some(streams) = options.max_concurrent_streams.take() {
        if streams.value == 0 {
            check.wrong(&join(path, "max_concurrent_streams"), "0", "at least 1");
        }
        limits.max_concurrent_streams = streams.value;
    }
    let windows = [
        ("initial_stream_window_size", options.initial_stream_window_size.take(), &mut limits.stream_window),
        (
            "initial_connection_window_size",
            options.initial_connection_window_size.take(),
            &mut limits.connection_window,
        ),
    ];
    for (field, window, limit) in windows {
        let Some(window) = window else { continue };
        if !(65_535..=0x7fff_ffff).contains(&window.value) {
            check.wrong(&join(path, field), window.value.to_string(), "65535 to 2147483647");
        }
        *limit = window.value;
    }
    if let Some(table) = options.hpack_table_size.take() {
        if table.value > MAX_TABLE {
            check.wrong(&join(path, "hpack_table_size"), table.value.to_string(), format!("at most {MAX_TABLE}"));
        }
        limits.header_table = table.value;
    }
    // What this says is what Leno always does: a malformed message ends its stream, not the connection.
    if options.override_stream_error_on_invalid_http_message.is_some_and(|it| it.value) {
        options.override_stream_error_on_invalid_http_message = None;
    }
    check.rest(path, &options);
}

fn upgrade(check: &mut Check, path: &str, mut config: UpgradeConfig) -> Option<Box<str>> {
    let name = std::mem::take(&mut config.upgrade_type).to_ascii_lowercase();
    let enabled = config.enabled.take().is_none_or(|enabled| enabled.value);
    check.rest(path, &config);
    let name = check.name(&join(path, "upgrade_type"), name)?;
    enabled.then(|| name.into())
}
