//! What is known about one accepted connection.

use std::{net::SocketAddr, rc::Rc, sync::Arc, time::Instant};

use leno_model::SpiffeId;

use crate::{config::WorkloadLabels, worker::Worker};

/// Which way a connection goes, seen from the workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// To the workload.
    Inbound,
    /// From the workload.
    Outbound,
}

impl Direction {
    /// The value of the metric label `direction`.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}

/// The context of one accepted connection: made once it is known what it is, shared by all of its requests.
#[derive(Debug)]
pub struct Connection {
    /// The worker that it lives on.
    pub worker: Rc<Worker>,
    /// Which way it goes.
    pub direction: Direction,
    /// Who dialled.
    pub peer: SocketAddr,
    /// What they dialled before the redirection.
    pub original_destination: SocketAddr,
    /// The caller's verified identity; `None` without mesh TLS.
    pub identity: Option<SpiffeId>,
    /// Whether it came over mesh TLS.
    pub mtls: bool,
    /// Who the caller is, for telemetry: on the way out the workload itself, on the way in what its identity says.
    pub source: Arc<WorkloadLabels>,
    /// When it was accepted.
    pub opened: Instant,
}

/// Who is called, for telemetry.
#[derive(Clone, Debug, Default)]
pub struct Callee {
    /// The service, `namespace/name`; empty when it is none.
    pub service: Arc<str>,
    /// The instance.
    pub workload: Arc<WorkloadLabels>,
    /// Its address, once it is chosen.
    pub address: Option<SocketAddr>,
    /// Whether the connection to it is mesh TLS. For an inbound connection see [`Connection::mtls`].
    pub mtls: bool,
}

/// What a mesh TLS connection carries: named by ALPN, so that the accepting side need not look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Payload {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
    /// Bytes.
    Tcp,
}

impl Payload {
    /// Its ALPN protocol.
    #[must_use]
    pub fn alpn(self) -> &'static str {
        use leno_model::resource_name::alpn;
        match self {
            Self::Http1 => alpn::HTTP1,
            Self::Http2 => alpn::HTTP2,
            Self::Tcp => alpn::TCP,
        }
    }
}
