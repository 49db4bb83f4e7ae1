//! What happens on the data path that somebody may want to know: each event is a struct that counts and logs itself.

use std::{net::SocketAddr, rc::Rc, time::Duration};

use leno_engine::resilience::{
    health::Change,
    outlier::{EjectionCause, Verdict},
};

use super::{
    series::{Key, TcpCells},
    totals::Occasion,
};
use crate::{
    config::{Cluster, Endpoint},
    connection::{Callee, Connection, Direction},
    error::ErrorKind,
    labelled::labelled,
    worker::Worker,
};

labelled! {
    /// What was spoken: the metric label `protocol`.
    pub enum Protocol {
        /// HTTP/1.
        Http1 = "http1",
        /// HTTP/2.
        Http2 = "http2",
        /// gRPC over HTTP/2.
        Grpc = "grpc",
        /// Bytes.
        Tcp = "tcp",
    }
}

impl Protocol {
    /// As Envoy calls it (`%PROTOCOL%`).
    pub(crate) fn spoken(self) -> &'static str {
        match self {
            Self::Http2 | Self::Grpc => "HTTP/2",
            Self::Http1 | Self::Tcp => "HTTP/1.1",
        }
    }
}

labelled! {
    /// What was done about an outlier: the metric label `verdict`.
    pub enum EjectionVerdict {
        /// It gets no requests for a while.
        Ejected = "ejected",
        /// It was only noted, as the settings say.
        NotEnforced = "not_enforced",
        /// It goes on, as enough others are ejected already.
        Overflow = "overflow",
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
    /// What is spoken, as far as it was known.
    pub protocol: Protocol,
    /// Method and path, for HTTP.
    pub request: Option<(&'a str, &'a [u8])>,
    /// Whether it is refused; else the rules are only tried out.
    pub enforced: bool,
}

/// A policy lets something in and tells of it.
#[derive(Clone, Copy, Debug)]
pub struct Audited<'a> {
    /// The caller's connection.
    pub connection: &'a Connection,
    /// Who was called.
    pub callee: &'a Callee,
    /// The policy.
    pub policy: &'a str,
    /// What is spoken.
    pub protocol: Protocol,
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
    /// What is spoken.
    pub protocol: Protocol,
    /// Why.
    pub reason: ErrorKind,
}

/// An endpoint does worse than it may.
#[derive(Clone, Copy, Debug)]
pub struct EndpointEjected<'a> {
    /// Who noticed.
    pub worker: &'a Worker,
    /// The cluster.
    pub cluster: &'a Cluster,
    /// The endpoint.
    pub endpoint: &'a Endpoint,
    /// Why.
    pub cause: EjectionCause,
    /// What was done about it.
    pub verdict: Verdict,
}

/// An endpoint gets requests again.
#[derive(Clone, Copy, Debug)]
pub struct EndpointReturned<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// The endpoint.
    pub endpoint: &'a Endpoint,
}

/// An endpoint is well, or is not any more, as its health check says.
#[derive(Clone, Copy, Debug)]
pub struct HealthChanged<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// The endpoint.
    pub endpoint: &'a Endpoint,
    /// What it says now.
    pub change: Change,
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

labelled! {
    /// Why a TLS handshake failed: the metric label `result`.
    pub enum HandshakeError {
        /// The peer showed no certificate.
        NoCertificate = "no_certificate",
        /// The peer's certificate is not from a trusted root, or has expired.
        BadCertificate = "bad_certificate",
        /// The peer's certificate is good but of somebody else.
        WrongIdentity = "wrong_identity",
        /// No common ALPN, version or cipher; or not TLS at all.
        Protocol = "protocol",
        /// The connection broke.
        Io = "io",
        /// It took too long.
        Timeout = "timeout",
    }
}

impl HandshakeError {
    /// What to do about it: the reference's text.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::NoCertificate => "Look whether the peer is a sidecar: the application may use TLS of its own.",
            Self::BadCertificate => {
                "Look at `leno proxy status`: a certificate may have expired, or the sidecars may be of two meshes. Compare \
                 the clocks of the machines."
            }
            Self::WrongIdentity => "Look which pods the service's selector matches, and their service accounts.",
            Self::Protocol => "Look what listens on the port: something else than a sidecar answered.",
            Self::Io => "Look whether the peer was just ended; else at the network.",
            Self::Timeout => "Look whether the peer, or the machine, is overloaded.",
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

impl RequestFinished<'_> {
    /// Counts it, and logs it if it has a log.
    pub fn emit(&self) {
        let mut key = Key::new(self.connection, self.callee, self.protocol);
        key.code = self.status;
        key.flags = self.flags;
        let worker = &self.connection.worker;
        worker.telemetry.request(key, |cells| cells.add(self.duration, self.request_bytes, self.response_bytes));
        if let Some(log) = &self.log {
            worker.access_log.request(self, log);
        }
    }
}

impl TcpOpened<'_> {
    /// Counts it. The connection adds its bytes to the cells while they flow.
    #[must_use]
    pub fn emit(&self) -> Rc<TcpCells> {
        let cells = self.connection.worker.telemetry.tcp(self.connection, self.callee);
        cells.add_opened();
        cells
    }
}

impl TcpFinished<'_> {
    /// Counts it, and logs it if it has a log. Its bytes have been counted while they flowed.
    pub fn emit(&self) {
        let worker = &self.connection.worker;
        if !self.opened {
            let key = Key { flags: self.flags, ..Key::new(self.connection, self.callee, Protocol::Tcp) };
            worker.telemetry.occasion(Occasion::TcpFailed, &key);
        } else {
            worker.telemetry.tcp(self.connection, self.callee).add_closed();
        }
        if let Some(cluster) = self.log {
            worker.access_log.tcp(self, cluster);
        }
    }
}

impl Denied<'_> {
    /// Counts and logs it.
    pub fn emit(&self) {
        let Self { connection, callee, reason, detail, protocol, request, enforced } = self;
        let key = Key { flags: reason.label(), ..Key::new(connection, callee, *protocol) };
        let occasion = if *enforced { Occasion::Denied } else { Occasion::ShadowDenied };
        connection.worker.telemetry.occasion(occasion, &key);
        let (method, path) = request.unwrap_or_default();
        tracing::info!(
            direction = connection.direction.label(),
            peer = %connection.peer,
            source_identity = &*connection.source.identity,
            destination = %connection.original_destination,
            destination_service = &*callee.service,
            destination_identity = &*callee.workload.identity,
            reason = reason.label(),
            detail,
            method,
            path = %String::from_utf8_lossy(path),
            enforced,
            "denied"
        );
    }
}

impl Audited<'_> {
    /// Counts and logs it.
    pub fn emit(&self) {
        let Self { connection, callee, policy, protocol, request } = self;
        connection.worker.telemetry.occasion(Occasion::Audited, &Key::new(connection, callee, *protocol));
        let (method, path) = request.unwrap_or_default();
        tracing::info!(
            direction = connection.direction.label(),
            peer = %connection.peer,
            source_identity = &*connection.source.identity,
            destination = %connection.original_destination,
            destination_service = &*callee.service,
            policy,
            method,
            path = %String::from_utf8_lossy(path),
            "audited"
        );
    }
}

impl Retried<'_> {
    /// Counts it.
    pub fn emit(&self) {
        let key = Key { flags: self.reason.label(), ..Key::new(self.connection, self.callee, self.protocol) };
        self.connection.worker.telemetry.occasion(Occasion::Retried, &key);
    }
}

impl HandshakeFinished<'_> {
    /// Counts it, and logs it if it failed.
    pub fn emit(&self) {
        let error = self.error.map(|(kind, _)| kind);
        self.worker.telemetry.handshake(self.direction, error, self.resumed);
        if let Some((kind, detail)) = self.error {
            let direction = self.direction.label();
            tracing::warn!(direction, peer = %self.peer, reason = kind.label(), detail, "TLS handshake failed");
        }
    }
}

impl EndpointEjected<'_> {
    /// Counts and logs it.
    pub fn emit(&self) {
        let Self { worker, cluster, endpoint, cause, verdict } = self;
        let verdict = match verdict {
            Verdict::Ejected(_) => EjectionVerdict::Ejected,
            Verdict::NotEnforced => EjectionVerdict::NotEnforced,
            Verdict::Overflow => EjectionVerdict::Overflow,
            Verdict::AlreadyEjected | Verdict::Gone => return,
        };
        worker.telemetry.ejected(&cluster.service, *cause, verdict);
        tracing::warn!(
            cluster = &*cluster.name,
            endpoint = %endpoint.address,
            cause = cause.label(),
            verdict = verdict.label(),
            "outlier"
        );
    }
}

impl EndpointReturned<'_> {
    /// Logs it.
    pub fn emit(&self) {
        tracing::info!(cluster = &*self.cluster.name, endpoint = %self.endpoint.address, "outlier returned");
    }
}

impl HealthChanged<'_> {
    /// Logs it.
    pub fn emit(&self) {
        let Self { cluster, endpoint, change } = self;
        match change {
            Change::Healthy => {
                tracing::info!(cluster = &*cluster.name, endpoint = %endpoint.address, "health check passed");
            }
            Change::Unhealthy => {
                tracing::warn!(cluster = &*cluster.name, endpoint = %endpoint.address, "health check failed");
            }
        }
    }
}

impl ConnectionRefused<'_> {
    /// Counts it, and logs it.
    pub fn emit(&self) {
        self.worker.telemetry.refused(self.direction, self.reason);
        let direction = self.direction.label();
        tracing::warn!(direction, peer = %self.peer, reason = self.reason.label(), "connection refused");
    }
}
