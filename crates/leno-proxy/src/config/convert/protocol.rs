//! Which HTTP is spoken, and how ([`HttpProtocolOptions`], [`Http2ProtocolOptions`]).
//!
//! [`HttpProtocolOptions`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/upstreams/http/v3/http_protocol_options.proto
//! [`Http2ProtocolOptions`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/core/v3/protocol.proto#config-core-v3-http2protocoloptions

use std::{num::NonZeroU32, time::Duration};

use leno_proto::{
    google::protobuf::{Any, UInt32Value},
    v3::{
        core::{Http1ProtocolOptions, Http2ProtocolOptions, HttpProtocolOptions as Common, KeepaliveSettings},
        upstream_http::{
            HttpProtocolOptions,
            http_protocol_options::{
                AutoHttpConfig, UpstreamProtocolOptions, UseDownstreamHttpConfig, explicit_http_config::ProtocolConfig,
            },
        },
    },
};

use super::{
    super::{Http2Keepalive, Http2Options, HttpProtocol, UpstreamHttp},
    check::{Check, join},
};

/// The most header fields that can be allowed: the HTTP/1 parser has room for so many.
#[expect(clippy::cast_possible_truncation, reason = "a few hundred")]
pub(super) const MAX_FIELDS: u32 = leno_http1::Limits::MAX_FIELDS as u32;

/// The largest table that the other side can be allowed to fill.
const MAX_TABLE: u32 = 1024 * 1024;

/// Envoy's default, in per cent.
const JITTER: f64 = 15.0;

/// What is spoken with endpoints.
#[derive(Debug, Default)]
pub(super) struct Spoken {
    pub(super) protocol: HttpProtocol,
    pub(super) http: UpstreamHttp,
    /// After how many requests a connection is not used any more.
    pub(super) max_requests_per_connection: Option<NonZeroU32>,
}

/// What is spoken with endpoints.
pub(super) fn convert(check: &mut Check, path: &str, options: &Any) -> Spoken {
    let mut spoken = Spoken::default();
    let Some(mut options) = check.unpack::<HttpProtocolOptions>(path, options) else { return spoken };
    if let Some(proto) = options.common_http_protocol_options.take() {
        common(check, &join(path, "common_http_protocol_options"), proto, &mut spoken);
    }
    let http = &mut spoken.http;
    spoken.protocol = match options.upstream_protocol_options.take() {
        Some(UpstreamProtocolOptions::UseDownstreamProtocolConfig(config)) => {
            as_caller(check, &join(path, "use_downstream_protocol_config"), config, http);
            HttpProtocol::AsCaller
        }
        Some(UpstreamProtocolOptions::ExplicitHttpConfig(config)) => {
            explicit(check, &join(path, "explicit_http_config"), config.protocol_config, http)
        }
        Some(UpstreamProtocolOptions::AutoConfig(config)) => {
            auto(check, &join(path, "auto_config"), config, http);
            HttpProtocol::Auto
        }
        None => HttpProtocol::default(),
    };
    check.rest(path, &options);
    spoken
}

fn common(check: &mut Check, path: &str, mut proto: Common, spoken: &mut Spoken) {
    let path_of = |field: &str| join(path, field);
    let http = &mut spoken.http;
    // Zero is no bound, as in Envoy.
    spoken.max_requests_per_connection = max_requests(&mut proto);
    http.idle_timeout = check.duration_or(&path_of("idle_timeout"), proto.idle_timeout.take(), http.idle_timeout);
    http.max_connection_duration = max_connection_duration(check, path, &mut proto);
    http.max_stream_duration = max_stream_duration(check, path, &mut proto);
    if let Some(count) = proto.max_headers_count.take() {
        http.max_headers_count = fields(check, &path_of("max_headers_count"), count);
    }
    if let Some(size) = proto.max_response_headers_kb.take() {
        if size.value == 0 || size.value > 8192 {
            check.wrong(&path_of("max_response_headers_kb"), size.value.to_string(), "1 to 8192");
        }
        http.max_headers_bytes = size.value.saturating_mul(1024);
    }
    check.rest(path, &proto);
}

/// After how many requests a connection takes no new ones; zero is no bound, as in Envoy.
pub(super) fn max_requests(proto: &mut Common) -> Option<NonZeroU32> {
    proto.max_requests_per_connection.take().and_then(|max| NonZeroU32::new(max.value))
}

/// For how long a connection takes new requests; zero is no bound, as in Envoy.
pub(super) fn max_connection_duration(check: &mut Check, path: &str, proto: &mut Common) -> Option<Duration> {
    let time = proto.max_connection_duration.take()?;
    check.duration(&join(path, "max_connection_duration"), &time).filter(|time| !time.is_zero())
}

/// How long a stream may be; zero is no bound, as in Envoy.
pub(super) fn max_stream_duration(check: &mut Check, path: &str, proto: &mut Common) -> Option<Duration> {
    let time = proto.max_stream_duration.take()?;
    check.duration(&join(path, "max_stream_duration"), &time).filter(|time| !time.is_zero())
}

/// How many header fields there may be.
pub(super) fn fields(check: &mut Check, path: &str, count: UInt32Value) -> u32 {
    if count.value == 0 || count.value > MAX_FIELDS {
        check.wrong(path, count.value.to_string(), format!("1 to {MAX_FIELDS}"));
    }
    count.value
}

fn as_caller(check: &mut Check, path: &str, mut config: UseDownstreamHttpConfig, http: &mut UpstreamHttp) {
    options(check, path, (config.http_protocol_options.take(), config.http2_protocol_options.take()), http);
    check.rest(path, &config);
}

fn auto(check: &mut Check, path: &str, mut config: AutoHttpConfig, http: &mut UpstreamHttp) {
    options(check, path, (config.http_protocol_options.take(), config.http2_protocol_options.take()), http);
    check.rest(path, &config);
}

/// Those of both versions.
type Both = (Option<Http1ProtocolOptions>, Option<Http2ProtocolOptions>);

fn options(check: &mut Check, path: &str, (one, two): Both, http: &mut UpstreamHttp) {
    if let Some(one) = one {
        http1(check, &join(path, "http_protocol_options"), one, &mut http.trailers);
    }
    if let Some(two) = two {
        http2(check, &join(path, "http2_protocol_options"), two, &mut http.http2);
    }
}

fn explicit(check: &mut Check, path: &str, config: Option<ProtocolConfig>, http: &mut UpstreamHttp) -> HttpProtocol {
    match config {
        Some(ProtocolConfig::HttpProtocolOptions(one)) => {
            options(check, path, (Some(one), None), http);
            HttpProtocol::Http1
        }
        Some(ProtocolConfig::Http2ProtocolOptions(two)) => {
            options(check, path, (None, Some(two)), http);
            HttpProtocol::Http2
        }
        Some(ProtocolConfig::Http3ProtocolOptions(_)) => {
            let instead = "http_protocol_options or http2_protocol_options";
            check.unsupported(path, "http3_protocol_options", instead).unwrap_or_default()
        }
        None => {
            check.wrong(path, "neither", "http_protocol_options or http2_protocol_options");
            HttpProtocol::default()
        }
    }
}

/// How HTTP/1.1 is spoken on one side; `trailers`: whether they are passed on.
pub(super) fn http1(check: &mut Check, path: &str, mut options: Http1ProtocolOptions, trailers: &mut bool) {
    *trailers = std::mem::take(&mut options.enable_trailers);
    check.rest(path, &options);
}

/// How HTTP/2 is spoken on one side.
pub(super) fn http2(check: &mut Check, path: &str, mut options: Http2ProtocolOptions, made: &mut Http2Options) {
    if let Some(streams) = options.max_concurrent_streams.take() {
        if streams.value == 0 {
            check.wrong(&join(path, "max_concurrent_streams"), "0", "at least 1");
        }
        made.max_concurrent_streams = streams.value;
    }
    let stream = options.initial_stream_window_size.take();
    window(check, &join(path, "initial_stream_window_size"), stream, &mut made.stream_window);
    let connection = options.initial_connection_window_size.take();
    window(check, &join(path, "initial_connection_window_size"), connection, &mut made.connection_window);
    if let Some(table) = options.hpack_table_size.take() {
        if table.value > MAX_TABLE {
            check.wrong(&join(path, "hpack_table_size"), table.value.to_string(), format!("at most {MAX_TABLE}"));
        }
        made.header_table = table.value;
    }
    made.allow_connect = std::mem::take(&mut options.allow_connect);
    let keepalive = options.connection_keepalive.take();
    made.keepalive = keepalive.and_then(|proto| self::keepalive(check, &join(path, "connection_keepalive"), proto));
    let flood = &mut made.flood;
    let number = |value: Option<UInt32Value>| value.map(|value| value.value);
    flood.max_control_frames = number(options.max_outbound_control_frames.take()).unwrap_or(flood.max_control_frames);
    if flood.max_control_frames == 0 {
        check.wrong(&join(path, "max_outbound_control_frames"), "0", "at least 1");
    }
    flood.max_empty_frames =
        number(options.max_consecutive_inbound_frames_with_empty_payload.take()).unwrap_or(flood.max_empty_frames);
    flood.max_priority_frames = number(options.max_inbound_priority_frames_per_stream.take());
    flood.max_window_frames = number(options.max_inbound_window_update_frames_per_data_frame_sent.take());
    if flood.max_window_frames == Some(0) {
        check.wrong(&join(path, "max_inbound_window_update_frames_per_data_frame_sent"), "0", "at least 1");
    }
    // What this says is what Leno always does: a malformed message ends its stream, not the connection.
    if options.override_stream_error_on_invalid_http_message.is_some_and(|it| it.value) {
        options.override_stream_error_on_invalid_http_message = None;
    }
    check.rest(path, &options);
}

fn window(check: &mut Check, path: &str, window: Option<UInt32Value>, made: &mut u32) {
    let Some(UInt32Value { value }) = window else { return };
    if !(65_535..=0x7fff_ffff).contains(&value) {
        check.wrong(path, value.to_string(), "65535 to 2147483647");
    }
    *made = value;
}

/// The shortest time of pings.
const SHORTEST: Duration = Duration::from_millis(1);

fn keepalive(check: &mut Check, path: &str, mut proto: KeepaliveSettings) -> Option<Http2Keepalive> {
    let mut time = |field: &str, value: Option<_>| {
        let path = join(path, field);
        let time = value.and_then(|value| check.duration(&path, &value));
        if time.is_some_and(|time| time < SHORTEST) {
            check.wrong(&path, format!("{time:?}"), "at least 1ms");
        }
        time
    };
    let interval = time("interval", proto.interval.take());
    let timeout = time("timeout", proto.timeout.take());
    let idle = time("connection_idle_interval", proto.connection_idle_interval.take());
    let jitter = proto.interval_jitter.take().map_or(JITTER, |percent| percent.value);
    if !(0.0..=100.0).contains(&jitter) {
        check.wrong(&join(path, "interval_jitter"), jitter.to_string(), "0 to 100");
    }
    if timeout.is_none() {
        check.wrong(&join(path, "timeout"), "absent", "how long an answer may take");
    }
    if interval.is_none() && idle.is_none() {
        check.wrong(path, "no time", "interval or connection_idle_interval");
    }
    check.rest(path, &proto);
    Some(Http2Keepalive { interval, timeout: timeout?, jitter, idle })
}
