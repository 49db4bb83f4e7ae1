//! How HTTP is spoken with endpoints ([`HttpProtocolOptions`]).
//!
//! [`HttpProtocolOptions`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/upstreams/http/v3/http_protocol_options.proto

use std::time::Duration;

use leno_http1::Limits;
use leno_http2::{Flood, Settings};

use crate::upstream::{CONNECTION_WINDOW, IDLE, STREAM_WINDOW};

/// How HTTP is spoken with endpoints. Defaults are Envoy's unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UpstreamHttp {
    /// How long a connection waits for its next request; zero: for ever. Default 60 seconds (Envoy: one hour).
    pub idle_timeout: Duration,
    /// How long a connection takes new requests; `None`: for ever.
    pub max_connection_duration: Option<Duration>,
    /// How long an endpoint may take for a request with its answer, tunnels included; `None`: for ever.
    pub max_stream_duration: Option<Duration>,
    /// How large the head of an answer may be, in bytes. Default 64 KiB (Envoy: 60 KiB).
    pub max_headers_bytes: u32,
    /// How many header fields an answer may have. Default 100.
    pub max_headers_count: u32,
    /// Whether trailers go from HTTP/2 to HTTP/1.1 and back (`enable_trailers`). Between two sides of HTTP/1.1 they always
    /// pass.
    pub trailers: bool,
    /// How HTTP/2 is spoken.
    pub http2: Http2Options,
}

impl Default for UpstreamHttp {
    fn default() -> Self {
        Self {
            idle_timeout: IDLE,
            max_connection_duration: None,
            max_stream_duration: None,
            max_headers_bytes: 64 * 1024,
            max_headers_count: 100,
            trailers: false,
            http2: Http2Options::upstream(),
        }
    }
}

impl UpstreamHttp {
    /// The bounds of an answer's head by HTTP/1.1.
    #[must_use]
    pub fn answer_limits(&self) -> Limits {
        let of = |limit: u32, most: usize| usize::try_from(limit).unwrap_or(usize::MAX).min(most);
        Limits { bytes: of(self.max_headers_bytes, usize::MAX), fields: of(self.max_headers_count, Limits::MAX_FIELDS) }
    }

    /// What an HTTP/2 connection to an endpoint begins with.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings { max_header_list: self.max_headers_bytes, ..self.http2.settings(Settings::default()) }
    }
}

/// How HTTP/2 is spoken on one side ([`Http2ProtocolOptions`]).
///
/// [`Http2ProtocolOptions`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/core/v3/protocol.proto#config-core-v3-http2protocoloptions
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Http2Options {
    /// How many streams a connection may have open. Default 1024 for callers (Envoy: unlimited until 1.33); towards
    /// endpoints what they allow.
    pub max_concurrent_streams: u32,
    /// How many bytes of a body may be in flight unread. Default 256 KiB for requests, 1 MiB for answers (Envoy: 16 MiB
    /// since 1.36).
    pub stream_window: u32,
    /// The same for all streams of a connection together. Default 4 MiB for requests, 16 MiB for answers (Envoy: 24 MiB
    /// since 1.36).
    pub connection_window: u32,
    /// The size in bytes of the table that the other side compresses heads with. Default 4096.
    pub header_table: u32,
    /// Whether callers may ask for other protocols by extended CONNECT.
    pub allow_connect: bool,
    /// The pings that find out whether the other side is there; `None`: none.
    pub keepalive: Option<Http2Keepalive>,
    /// What the other side may do in excess.
    pub flood: Flood,
}

/// When the other side of a connection is asked whether it is there ([`KeepaliveSettings`]).
///
/// [`KeepaliveSettings`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/core/v3/protocol.proto#config-core-v3-keepalivesettings
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Http2Keepalive {
    /// How far apart; `None`: only [`Self::idle`] says when.
    pub interval: Option<Duration>,
    /// How long an answer may take before the connection is closed.
    pub timeout: Duration,
    /// How much is added to `interval` at most, in per cent of it.
    pub jitter: f64,
    /// After how long without anything from the other side a new stream is begun with a ping; `None`: never.
    pub idle: Option<Duration>,
}

impl Http2Options {
    /// Towards callers.
    #[must_use]
    pub fn downstream() -> Self {
        Self {
            max_concurrent_streams: 1024,
            stream_window: 256 * 1024,
            connection_window: 4 * 1024 * 1024,
            header_table: 4096,
            allow_connect: false,
            keepalive: None,
            flood: Flood::default(),
        }
    }

    /// Towards endpoints.
    #[must_use]
    pub fn upstream() -> Self {
        Self {
            max_concurrent_streams: u32::MAX,
            stream_window: STREAM_WINDOW,
            connection_window: CONNECTION_WINDOW,
            ..Self::downstream()
        }
    }

    /// What a connection begins with; the rest as in `settings`.
    #[must_use]
    pub fn settings(&self, settings: Settings) -> Settings {
        Settings {
            max_concurrent_streams: self.max_concurrent_streams,
            stream_window: self.stream_window,
            connection_window: self.connection_window,
            header_table: self.header_table,
            connect_protocol: self.allow_connect,
            flood: self.flood,
            ..settings
        }
    }
}
