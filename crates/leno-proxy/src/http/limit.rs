//! What is bounded of requests and answers, for the reference.

use super::{decide, h2, mirror, retry};
use crate::{
    config::{Http2Options, http::HttpLimits},
    limit::{Limit, bytes, count, time},
    service,
};

/// The bounds.
pub(crate) fn limits() -> Vec<Limit> {
    let limits = HttpLimits::default();
    let mut all = of_callers(&limits);
    all.extend([
        bytes("request kept so that it can be sent again", retry::REPLAY as u64, "", "not sent again"),
        bytes("body of a request that is mirrored", mirror::MAX_BODY as u64, "", "not mirrored"),
        bytes("answer of a service that a filter asks", service::ANSWER as u64, "", "counts as none"),
        bytes(
            "HTTP/2 window of a request",
            Http2Options::downstream().stream_window.into(),
            "`http2_protocol_options.initial_stream_window_size`",
            "the caller waits",
        ),
        bytes(
            "HTTP/2 window of a connection",
            Http2Options::downstream().connection_window.into(),
            "`http2_protocol_options.initial_connection_window_size`",
            "the caller waits",
        ),
        bytes("answers that wait for a slow HTTP/2 caller", h2::server::OUTPUT as u64, "", "the endpoints wait"),
        count(
            "HTTP/2 streams that a caller reset in a moment",
            h2::server::MAX_RESETS as u64,
            "",
            "the connection is closed (an attack: rapid reset)",
        ),
        time("silence before a connection is taken for HTTP/1", super::LOOK, "", "read as HTTP/1"),
        time("waiting for a route or cluster", decide::CONFIG, "", "503 `NC config_timeout`"),
    ]);
    all
}

/// Those that the connection manager sets.
fn of_callers(limits: &HttpLimits) -> Vec<Limit> {
    vec![
        time(
            "connection without a request",
            limits.idle_timeout,
            "`common_http_protocol_options.idle_timeout`",
            "closed",
        ),
        time(
            "request on which nothing moves",
            limits.stream_idle_timeout,
            "`stream_idle_timeout`, `route.idle_timeout`",
            "408, or 504 once the request is sent; a begun answer is cut off: `SI`",
        ),
        time(
            "head of a request, from its first byte",
            limits.headers_timeout,
            "`request_headers_timeout`",
            "408 `request_timeout`",
        ),
        time(
            "whole request, until it has arrived",
            limits.request_timeout,
            "`request_timeout`",
            "408 `request_timeout`",
        ),
        bytes(
            "head of a request",
            limits.max_headers_bytes.into(),
            "`max_request_headers_kb`",
            "431 `headers_too_large`",
        ),
        count(
            "header fields of a request (256 at most)",
            limits.max_headers_count.into(),
            "`common_http_protocol_options.max_headers_count`",
            "431 `headers_too_large`",
        ),
        bytes(
            "body of a request",
            u64::MAX,
            "`maxRequestBytes` in MeshConfig, `max_request_bytes` of the Buffer filter",
            "413 `body_too_large`",
        ),
        count(
            "open streams of an HTTP/2 connection",
            Http2Options::downstream().max_concurrent_streams.into(),
            "`http2_protocol_options.max_concurrent_streams`",
            "further ones are refused (`REFUSED_STREAM`)",
        ),
    ]
}
