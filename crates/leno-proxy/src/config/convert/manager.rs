//! The HTTP connection manager ([`envoy.extensions.filters.network.http_connection_manager.v3`]).
//!
//! [`envoy.extensions.filters.network.http_connection_manager.v3`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto

use std::sync::Arc;

use leno_engine::{
    host_rules::{HostRules, StripPort},
    normalize::{EscapedSlashes, PathRules},
};
use leno_proto::v3::{
    core::{
        HttpProtocolOptions, http_protocol_options::HeadersWithUnderscoresAction,
        scheme_header_transformation::Transformation,
    },
    http_connection_manager::{
        HttpConnectionManager as Proto,
        http_connection_manager::{
            CodecType, PathWithEscapedSlashesAction, RouteSpecifier, StripPortMode, UpgradeConfig,
        },
    },
};

use leno_xds::ResourceType;

use super::{
    super::{Codec, Http2Options, HttpConnectionManager, HttpLimits, Registry, RouteSource, SchemeRule, Underscores},
    access_log,
    check::{Check, at, join},
    filter, forwarding, local_reply, protocol, route, source,
};

pub(super) fn convert(
    check: &mut Check,
    path: &str,
    mut proto: Proto,
    registry: &mut Registry,
) -> Option<HttpConnectionManager> {
    let stat_prefix = std::mem::take(&mut proto.stat_prefix).into();
    let codec = codec(check, path, std::mem::take(&mut proto.codec_type));
    let mut underscores = Underscores::default();
    let limits = limits(check, path, &mut proto, &mut underscores);
    let (mut http2, mut trailers) = (Http2Options::downstream(), false);
    if let Some(options) = proto.http2_protocol_options.take() {
        protocol::http2(check, &join(path, "http2_protocol_options"), options, &mut http2);
    }
    if let Some(options) = proto.http_protocol_options.take() {
        protocol::http1(check, &join(path, "http_protocol_options"), options, &mut trailers);
    }
    let scheme = scheme(check, path, &mut proto);
    let hosts = hosts(check, path, &mut proto);
    let paths = paths(check, path, &mut proto);
    let upgrades = std::mem::take(&mut proto.upgrade_configs).into_iter().enumerate();
    let upgrades =
        upgrades.filter_map(|(index, one)| upgrade(check, &at(path, "upgrade_configs", index), one)).collect();
    let filters = filter::convert(check, path, std::mem::take(&mut proto.http_filters));
    let asked = filters.iter().flat_map(|filter| filter.config.clusters());
    let services = asked.map(|name| (Box::from(name), registry.cluster(name))).collect();
    let access_log = access_log::convert(check, path, std::mem::take(&mut proto.access_log));
    let local_replies = proto.local_reply_config.take();
    let local_replies =
        local_replies.map(|one| local_reply::convert(check, &join(path, "local_reply_config"), one).into());
    let routes = routes(check, path, &mut proto, registry);
    let mut forwarding = forwarding::convert(check, path, &mut proto);
    forwarding.scheme = scheme.fixed();
    check.rest(path, &proto);
    Some(HttpConnectionManager {
        stat_prefix,
        codec,
        routes: routes?,
        filters,
        services,
        paths,
        hosts,
        limits,
        upgrades,
        http2,
        trailers,
        underscores,
        scheme,
        forwarding,
        local_replies,
        access_log,
    })
}

/// Where routes come from.
fn routes(check: &mut Check, path: &str, proto: &mut Proto, registry: &mut Registry) -> Option<RouteSource> {
    match proto.route_specifier.take() {
        Some(RouteSpecifier::Rds(rds)) => {
            let path_source = join(path, "rds.config_source");
            let fetch = source::fetch(check, &path_source, rds.config_source, ResourceType::Route, registry);
            let name = check.name(&join(path, "rds.route_config_name"), rds.route_config_name);
            name.map(|name| RouteSource::Named(registry.routes(&name, fetch)))
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
    }
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

/// What is done with hosts.
fn hosts(check: &mut Check, path: &str, proto: &mut Proto) -> HostRules {
    let matching = std::mem::take(&mut proto.strip_matching_host_port);
    let any = match proto.strip_port_mode.take() {
        Some(StripPortMode::StripAnyHostPort(any)) => any,
        None => false,
    };
    if matching && any {
        check.wrong(&join(path, "strip_matching_host_port"), "true", "either this or strip_any_host_port");
    }
    let port = match (matching, any) {
        (_, true) => StripPort::Any,
        (true, false) => StripPort::Matching,
        (false, false) => StripPort::None,
    };
    HostRules { port, dot: std::mem::take(&mut proto.strip_trailing_host_dot) }
}

/// What becomes of header fields with `_` in their name.
fn underscores(check: &mut Check, path: &str, options: &mut HttpProtocolOptions) -> Underscores {
    let number = std::mem::take(&mut options.headers_with_underscores_action);
    match HeadersWithUnderscoresAction::try_from(number) {
        Ok(HeadersWithUnderscoresAction::Allow) => Underscores::Allow,
        Ok(HeadersWithUnderscoresAction::RejectRequest) => Underscores::Reject,
        Ok(HeadersWithUnderscoresAction::DropHeader) => Underscores::Drop,
        Err(_) => {
            check.wrong(&join(path, "headers_with_underscores_action"), number.to_string(), "one of its values");
            Underscores::Allow
        }
    }
}

/// The scheme that endpoints are told.
fn scheme(check: &mut Check, path: &str, proto: &mut Proto) -> SchemeRule {
    let Some(mut proto) = proto.scheme_header_transformation.take() else { return SchemeRule::Keep };
    let path = join(path, "scheme_header_transformation");
    let upstream = std::mem::take(&mut proto.match_upstream);
    let rule = match proto.transformation.take() {
        Some(Transformation::SchemeToOverwrite(scheme)) if scheme == "http" => SchemeRule::Http,
        Some(Transformation::SchemeToOverwrite(scheme)) if scheme == "https" => SchemeRule::Https,
        Some(Transformation::SchemeToOverwrite(scheme)) => {
            check.wrong(&join(&path, "scheme_to_overwrite"), scheme, "http or https");
            SchemeRule::Keep
        }
        None => SchemeRule::Keep,
    };
    check.rest(&path, &proto);
    match rule {
        SchemeRule::Keep if upstream => SchemeRule::Upstream,
        rule => rule,
    }
}

fn limits(check: &mut Check, path: &str, proto: &mut Proto, underscores: &mut Underscores) -> HttpLimits {
    let mut limits = HttpLimits::default();
    let path_of = |field: &str| join(path, field);
    let stream = proto.stream_idle_timeout.take();
    limits.stream_idle_timeout = check.duration_or(&path_of("stream_idle_timeout"), stream, limits.stream_idle_timeout);
    let headers = proto.request_headers_timeout.take();
    limits.headers_timeout = check.duration_or(&path_of("request_headers_timeout"), headers, limits.headers_timeout);
    let request = proto.request_timeout.take();
    limits.request_timeout = check.duration_or(&path_of("request_timeout"), request, limits.request_timeout);
    let close = proto.delayed_close_timeout.take();
    limits.delayed_close = check.duration_or(&path_of("delayed_close_timeout"), close, limits.delayed_close);
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
        let path = path_of("common_http_protocol_options");
        if let Some(count) = options.max_headers_count.take() {
            limits.max_headers_count = protocol::fields(check, &join(&path, "max_headers_count"), count);
        }
        limits.max_requests = protocol::max_requests(&mut options);
        limits.max_connection_duration = protocol::max_connection_duration(check, &path, &mut options);
        limits.max_stream_duration = protocol::max_stream_duration(check, &path, &mut options);
        *underscores = self::underscores(check, &path, &mut options);
        check.rest(&path, &options);
    }
    limits
}

fn upgrade(check: &mut Check, path: &str, mut config: UpgradeConfig) -> Option<Box<str>> {
    let name = std::mem::take(&mut config.upgrade_type).to_ascii_lowercase();
    let enabled = config.enabled.take().is_none_or(|enabled| enabled.value);
    check.rest(path, &config);
    let name = check.name(&join(path, "upgrade_type"), name)?;
    enabled.then(|| name.into())
}
