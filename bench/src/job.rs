//! What is asked of each data plane.

use crate::config::{APPLICATION, APPLICATION_H2, BYTES, Carries};

/// A job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    /// GET of 1 KiB over 32 kept connections.
    Small,
    /// The same with a JSON access log.
    SmallLogged,
    /// The same through a long route table.
    Routes,
    /// GET of 64 KiB over 32 kept connections.
    Large,
    /// POST of 1 KiB over 32 kept connections.
    Post,
    /// GET of 1 KiB at fixed times: latency.
    Rate,
    /// GET of 1 KiB, each over a new connection of the caller.
    Connections,
    /// Full handshakes at the inbound hop.
    FullHandshakes,
    /// Resumed handshakes at the inbound hop.
    ResumedHandshakes,
    /// New connections of bytes through both hops.
    TcpConnections,
    /// HTTP/2: 10 connections of 10 streams.
    Streams,
    /// gRPC over the same: a message of 1 KiB each way.
    Unary,
    /// gRPC over the same: 32 messages of 1 KiB each way in one call.
    Messages,
    /// One TCP stream towards the application.
    Bytes,
    /// One TCP stream from the application.
    BytesBack,
    /// A thousand connections without TLS that wait.
    IdlePlain,
    /// A thousand connections with TLS that wait.
    IdleTls,
    /// From the start to the first connection, and what that takes.
    Start,
}

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Processor time for each request.
    Requests,
    /// Processor time for each handshake, at the inbound hop.
    Handshakes,
    /// Processor time for each byte.
    Bytes,
    /// Memory for each connection that waits.
    Idle,
    /// Time to be ready, and memory then.
    Start,
}

impl Job {
    /// All of them.
    pub(crate) const ALL: [Self; 18] = [
        Self::Small,
        Self::SmallLogged,
        Self::Routes,
        Self::Large,
        Self::Post,
        Self::Rate,
        Self::Connections,
        Self::FullHandshakes,
        Self::ResumedHandshakes,
        Self::TcpConnections,
        Self::Streams,
        Self::Unary,
        Self::Messages,
        Self::Bytes,
        Self::BytesBack,
        Self::IdlePlain,
        Self::IdleTls,
        Self::Start,
    ];

    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Small => "http1-1k",
            Self::SmallLogged => "http1-1k-log",
            Self::Routes => "http1-routes",
            Self::Large => "http1-64k",
            Self::Post => "http1-post",
            Self::Rate => "http1-rate",
            Self::Connections => "http1-connections",
            Self::FullHandshakes => "tls-full",
            Self::ResumedHandshakes => "tls-resumed",
            Self::TcpConnections => "tcp-connections",
            Self::Streams => "http2",
            Self::Unary => "grpc-unary",
            Self::Messages => "grpc-stream",
            Self::Bytes => "tcp-up",
            Self::BytesBack => "tcp-down",
            Self::IdlePlain => "idle-plain",
            Self::IdleTls => "idle-mtls",
            Self::Start => "start",
        }
    }

    /// What it is, for the report.
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Small => "HTTP/1.1, GET 1 KiB, 32 kept connections (wrk)",
            Self::SmallLogged => "the same with an access log at both hops, a JSON object for each request",
            Self::Routes => "the same through 1,000 hosts of 20 routes each, of which the last is asked for",
            Self::Large => "HTTP/1.1, GET 64 KiB, 32 kept connections (wrk)",
            Self::Post => "HTTP/1.1, POST 1 KiB, 32 kept connections (wrk)",
            Self::Rate => {
                "HTTP/1.1, GET 1 KiB, 2,000 requests a second over 16 kept connections, whether answers come or not; \
                 latency counts from when a request was due"
            }
            Self::Connections => "HTTP/1.1, GET 1 KiB, a new connection of the caller for every request (wrk)",
            Self::FullHandshakes => {
                "new connections with a full handshake and one request, straight to the inbound hop"
            }
            Self::ResumedHandshakes => "the same with sessions that are resumed",
            Self::TcpConnections => {
                "TCP, a new connection for every KiB, with one of mutual TLS between the hops (wrk)"
            }
            Self::Streams => "HTTP/2, GET 1 KiB, 10 connections of 10 streams (h2load)",
            Self::Unary => {
                "gRPC, a message of 1 KiB and one back, status in trailers, 10 connections of 10 streams (h2load)"
            }
            Self::Messages => "gRPC, 32 messages of 1 KiB in one call and as many back, otherwise the same",
            Self::Bytes => "TCP, one stream to the application (iperf3)",
            Self::BytesBack => "TCP, one stream from the application (iperf3)",
            Self::IdlePlain => "1,000 callers' connections that have asked once and wait, at the outbound hop",
            Self::IdleTls => "1,000 connections of mutual TLS that have asked once and wait, at the inbound hop",
            Self::Start => "from the start of the outbound hop's process to the first connection that it accepts",
        }
    }

    /// What passes through.
    pub(crate) fn carries(self) -> Carries {
        match self {
            Self::Streams | Self::Unary | Self::Messages => Carries::Http2,
            Self::Bytes | Self::BytesBack => Carries::Tcp,
            Self::TcpConnections => Carries::TcpHttp,
            _ => Carries::Http,
        }
    }

    /// What is looked at.
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::FullHandshakes | Self::ResumedHandshakes => Kind::Handshakes,
            Self::Bytes | Self::BytesBack => Kind::Bytes,
            Self::IdlePlain | Self::IdleTls => Kind::Idle,
            Self::Start => Kind::Start,
            _ => Kind::Requests,
        }
    }

    /// The port without any proxy.
    pub(crate) fn direct(self) -> u16 {
        match self.carries() {
            Carries::Http | Carries::TcpHttp => APPLICATION,
            Carries::Http2 => APPLICATION_H2,
            Carries::Tcp => BYTES,
        }
    }
}
