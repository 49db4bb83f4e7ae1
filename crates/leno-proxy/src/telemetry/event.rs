//! What happens on the data path that somebody may want to know: each event is a struct that counts and logs itself.

use std::{net::SocketAddr, time::Duration};

use crate::{
    connection::{Callee, Connection, Direction},
    error::ErrorKind,
    worker::Worker,
};

/// What was spoken: the metric label `protocol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.
    Http1,
    /// HTTP/2.
    Http2,
    /// gRPC over HTTP/2.
    Grpc,
    /// Bytes.
    Tcp,
}

impl Protocol {
    /// The label's value.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Http1 => "http1",
            Self::Http2 => "http2",
            Self::Grpc => "grpc",
            Self::Tcp => "tcp",
        }
    }
}

/// A request came to its end, answered or not.
#[derive(Clone, Copy, Debug)]
pub struct RequestFinished<'a> {
    /// The caller's connection.
    pub connection: &'a Connection,
    /// Who was called, as far as it was known.
    pub callee: &'a Callee,
    /// What was spoken.
    pub protocol: Protocol,
    /// The status sent; 0 when the caller went away before.
    pub status: u16,
    /// Envoy's response flags, comma separated; `-` for none.
    pub flags: &'static str,
    /// Why it went wrong; empty when it did not.
    pub detail: &'a str,
    /// From the first byte of the request's head to the last of the answer.
    pub duration: Duration,
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// Bytes of the answer's body.
    pub response_bytes: u64,
    /// How often it was sent again.
    pub retries: u32,
    /// What the access log shows; `None`: not logged.
    pub log: Option<RequestLog<'a>>,
}

/// What only the access log shows of a request. Header values as they came: the log escapes them.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestLog<'a> {
    /// The method.
    pub method: &'a str,
    /// `Host` or `:authority`.
    pub authority: &'a [u8],
    /// Path and query.
    pub path: &'a [u8],
    /// `x-request-id`.
    pub request_id: &'a [u8],
    /// `user-agent`.
    pub user_agent: &'a [u8],
    /// `traceparent`.
    pub traceparent: &'a [u8],
    /// The route's name.
    pub route: &'a str,
    /// The cluster's name.
    pub cluster: &'a str,
}

/// A TCP connection is open in both directions.
#[derive(Clone, Copy, Debug)]
pub struct TcpOpened<'a> {
    /// The caller's connection.
    pub connection: &'a Connection,
    /// Who was called.
    pub callee: &'a Callee,
}

/// A TCP connection came to its end.
#[derive(Clone, Copy, Debug)]
pub struct TcpFinished<'a> {
    /// The caller's connection.
    pub connection: &'a Connection,
    /// Who was called, as far as it was known.
    pub callee: &'a Callee,
    /// Envoy's response flags; `-` for none.
    pub flags: &'static str,
    /// Why it went wrong; empty when it did not.
    pub detail: &'a str,
    /// How long it was open.
    pub duration: Duration,
    /// Bytes from the caller to the callee.
    pub sent_bytes: u64,
    /// Bytes from the callee to the caller.
    pub received_bytes: u64,
    /// Whether it was opened (so that [`TcpOpened`] was emitted).
    pub opened: bool,
    /// The cluster's name, for the access log; `None`: not logged.
    pub log: Option<&'a str>,
}

/// A policy said no.
#[derive(Clone, Copy, Debug)]
pub struct Denied<'a> {
    /// The caller's connection.
    pub connection: &'a Connection,
    /// Who was called.
    pub callee: &'a Callee,
    /// Why.
    pub reason: ErrorKind,
    /// Which decision, in words: also in the answer's body.
    pub detail: &'a str,
    /// Method and path, for HTTP.
    pub request: Option<(&'a str, &'a [u8])>,
}

/// A request is sent again.
#[derive(Clone, Copy, Debug)]
pub struct Retried<'a> {
    /// The caller's connection.
    pub connection: &'a Connection,
    /// Who was called in vain.
    pub callee: &'a Callee,
    /// Why.
    pub reason: ErrorKind,
}

/// A TLS handshake came to its end.
#[derive(Clone, Copy, Debug)]
pub struct HandshakeFinished<'a> {
    /// The worker.
    pub worker: &'a Worker,
    /// Which way.
    pub direction: Direction,
    /// The other end.
    pub peer: SocketAddr,
    /// What was wrong, if anything.
    pub error: Option<(HandshakeError, &'a str)>,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
}

/// Why a TLS handshake failed: the metric label `result`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HandshakeError {
    /// The peer showed no certificate.
    NoCertificate,
    /// The peer's certificate is not from a trusted root, or has expired.
    BadCertificate,
    /// The peer's certificate is good but of somebody else.
    WrongIdentity,
    /// No common ALPN, version or cipher; or not TLS at all.
    Protocol,
    /// The connection broke.
    Io,
    /// It took too long.
    Timeout,
}

impl HandshakeError {
    /// The label's value.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::NoCertificate => "no_certificate",
            Self::BadCertificate => "bad_certificate",
            Self::WrongIdentity => "wrong_identity",
            Self::Protocol => "protocol",
            Self::Io => "io",
            Self::Timeout => "timeout",
        }
    }
}

/// A connection was turned away before anything was read from it, because a limit was reached.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionRefused<'a> {
    /// The worker.
    pub worker: &'a Worker,
    /// Which way.
    pub direction: Direction,
    /// The other end.
    pub peer: SocketAddr,
    /// Why.
    pub reason: ErrorKind,
}
