//! What is counted together: the labels of traffic, and the cells that count it.

use std::{
    cell::Cell,
    hash::{Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use crate::{
    config::WorkloadLabels,
    connection::{Callee, Connection, Direction},
    telemetry::event::Protocol,
};

/// Upper bounds of the duration histogram, in seconds; one more bucket holds the rest.
pub const DURATION_BOUNDS: [f64; 16] =
    [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The labels of traffic, compared by identity of the shared parts: cheap enough to look up on every request. The
/// same labels may appear behind several addresses; [`Labels`] folds them.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) direction: Direction,
    pub(crate) protocol: Protocol,
    pub(crate) mtls: bool,
    pub(crate) code: u16,
    /// Response flags; for denials and retries the reason.
    pub(crate) flags: &'static str,
    pub(crate) source: Arc<WorkloadLabels>,
    pub(crate) destination: Arc<WorkloadLabels>,
    pub(crate) service: Arc<str>,
}

impl Key {
    /// The labels of what happens on a connection.
    pub(crate) fn new(connection: &Connection, callee: &Callee, protocol: Protocol) -> Self {
        let mtls = match connection.direction {
            Direction::Inbound => connection.mtls,
            Direction::Outbound => callee.mtls,
        };
        Self {
            direction: connection.direction,
            protocol,
            mtls,
            code: 0,
            flags: "",
            source: Arc::clone(&connection.source),
            destination: Arc::clone(&callee.workload),
            service: Arc::clone(&callee.service),
        }
    }

    /// What makes two keys the same without looking at any text.
    fn parts(&self) -> Parts {
        let addresses = [
            self.flags.as_ptr().addr(),
            Arc::as_ptr(&self.source).addr(),
            Arc::as_ptr(&self.destination).addr(),
            self.service.as_ptr().addr(),
        ];
        (self.direction, self.protocol, self.mtls, self.code, addresses)
    }
}

/// The parts of a [`Key`] with the addresses of its texts.
type Parts = (Direction, Protocol, bool, u16, [usize; 4]);

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts() && self.flags.len() == other.flags.len()
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

/// The labels of traffic by their text: what a scrape shows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Labels {
    /// `direction`.
    pub direction: Direction,
    /// `protocol`.
    pub protocol: Protocol,
    /// `mtls`.
    pub mtls: bool,
    /// `response_code`; 0 for none.
    pub code: u16,
    /// `response_flags`, or `reason`.
    pub flags: &'static str,
    /// `source_…`.
    pub source: End,
    /// `destination_…`.
    pub destination: End,
    /// `destination_service`.
    pub service: Box<str>,
}

/// One end of a connection as metrics name it: instances of a workload count together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct End {
    /// `…_workload`.
    pub workload: Box<str>,
    /// `…_namespace`.
    pub namespace: Box<str>,
    /// `…_identity`.
    pub identity: Box<str>,
}

impl From<&WorkloadLabels> for End {
    fn from(labels: &WorkloadLabels) -> Self {
        Self {
            workload: labels.workload.clone(),
            namespace: labels.namespace.clone(),
            identity: labels.identity.clone(),
        }
    }
}

impl From<&Key> for Labels {
    fn from(key: &Key) -> Self {
        Self {
            direction: key.direction,
            protocol: key.protocol,
            mtls: key.mtls,
            code: key.code,
            flags: key.flags,
            source: End::from(&*key.source),
            destination: End::from(&*key.destination),
            service: Box::from(&*key.service),
        }
    }
}

impl Labels {
    /// Where what does not fit into the bounded table is counted: same kind of traffic, ends unknown.
    pub(crate) fn overflow(&self) -> Self {
        let other = || End { workload: "overflow".into(), ..End::default() };
        Self { source: other(), destination: other(), service: "overflow".into(), ..self.clone() }
    }
}

/// Requests that count together.
#[derive(Debug, Default)]
pub(crate) struct RequestCells {
    seconds: Cell<f64>,
    buckets: [Cell<u64>; DURATION_BOUNDS.len() + 1],
    request_bytes: Cell<u64>,
    response_bytes: Cell<u64>,
}

impl RequestCells {
    pub(crate) fn add(&self, duration: Duration, request_bytes: u64, response_bytes: u64) {
        let seconds = duration.as_secs_f64();
        self.seconds.set(self.seconds.get() + seconds);
        let bucket = DURATION_BOUNDS.partition_point(|bound| *bound < seconds);
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.set(bucket.get() + 1);
        }
        self.request_bytes.set(self.request_bytes.get() + request_bytes);
        self.response_bytes.set(self.response_bytes.get() + response_bytes);
    }

    pub(crate) fn total(&self) -> RequestTotal {
        RequestTotal {
            seconds: self.seconds.get(),
            buckets: std::array::from_fn(|i| self.buckets.get(i).map_or(0, Cell::get)),
            request_bytes: self.request_bytes.get(),
            response_bytes: self.response_bytes.get(),
        }
    }
}

/// What `RequestCells` have counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RequestTotal {
    /// Sum of durations.
    pub seconds: f64,
    /// Requests by duration; see [`DURATION_BOUNDS`].
    pub buckets: [u64; DURATION_BOUNDS.len() + 1],
    /// Bytes of requests' bodies.
    pub request_bytes: u64,
    /// Bytes of answers' bodies.
    pub response_bytes: u64,
}

impl RequestTotal {
    /// How many requests.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.seconds += other.seconds;
        for (mine, theirs) in self.buckets.iter_mut().zip(other.buckets) {
            *mine += theirs;
        }
        self.request_bytes += other.request_bytes;
        self.response_bytes += other.response_bytes;
    }
}

/// TCP connections that count together. Bytes are added while they flow.
#[derive(Debug, Default)]
pub struct TcpCells {
    opened: Cell<u64>,
    closed: Cell<u64>,
    sent: Cell<u64>,
    received: Cell<u64>,
}

impl TcpCells {
    /// Bytes went from the caller to the callee.
    pub fn add_sent(&self, bytes: u64) {
        self.sent.set(self.sent.get() + bytes);
    }

    /// Bytes went from the callee to the caller.
    pub fn add_received(&self, bytes: u64) {
        self.received.set(self.received.get() + bytes);
    }

    pub(crate) fn add_opened(&self) {
        self.opened.set(self.opened.get() + 1);
    }

    pub(crate) fn add_closed(&self) {
        self.closed.set(self.closed.get() + 1);
    }

    pub(crate) fn total(&self) -> TcpTotal {
        TcpTotal {
            opened: self.opened.get(),
            closed: self.closed.get(),
            sent: self.sent.get(),
            received: self.received.get(),
        }
    }
}

/// What [`TcpCells`] have counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TcpTotal {
    /// Connections opened.
    pub opened: u64,
    /// Connections closed.
    pub closed: u64,
    /// Bytes from callers to callees.
    pub sent: u64,
    /// Bytes from callees to callers.
    pub received: u64,
}

impl TcpTotal {
    pub(crate) fn add(&mut self, other: &Self) {
        self.opened += other.opened;
        self.closed += other.closed;
        self.sent += other.sent;
        self.received += other.received;
    }
}
