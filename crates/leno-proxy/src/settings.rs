//! What the process was told at start, in the form that the data path uses.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::watch;

use crate::{
    config::{Fingerprint, Listener, WorkloadLabels},
    connection::Admission,
};

/// What does not change while the process runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who this sidecar's workload is.
    pub workload: Arc<WorkloadLabels>,
    /// The workload's own addresses.
    pub workload_ips: Vec<IpAddr>,
    /// Where connections come in.
    pub entrance: Entrance,
    /// The firewall mark of outbound dials (inbound ones have the next higher); `None`: redirection is by uid.
    pub mark: Option<u32>,
    /// What is bounded.
    pub limits: Limits,
}

/// Where connections come in.
#[derive(Clone, Debug)]
pub enum Entrance {
    /// By redirection of all that the workload says and hears: a sidecar.
    Redirected {
        /// The port that outbound connections are redirected to.
        outbound: u16,
        /// The port that inbound connections are redirected to.
        inbound: u16,
    },
    /// At the addresses of listeners, which may come and go.
    Bound(watch::Receiver<Doors>),
}

/// Every listener that has sockets of its own at the moment.
pub type Doors = Arc<[Arc<Bound>]>;

/// A listener with a socket of its own.
#[derive(Debug)]
pub struct Bound {
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether connections are redirected to it and meant for somewhere else.
    pub original_destination: bool,
    /// How its socket is opened.
    pub socket: ListenSocket,
    /// What happens to its connections.
    pub listener: Arc<Listener>,
    /// Equal for listeners that differ in their chains at most.
    pub fingerprint: Fingerprint,
}

/// How a listener's socket is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenSocket {
    /// How many connections the kernel keeps until they are accepted.
    pub backlog: i32,
    /// Whether it may have an address that is not there (yet).
    pub freebind: bool,
    /// Whether it takes connections to any address that are led to it (TPROXY).
    pub transparent: bool,
    /// How many connections are accepted before others get their turn.
    pub accepted_at_once: u32,
}

impl Default for ListenSocket {
    fn default() -> Self {
        Self { backlog: 4096, freebind: false, transparent: false, accepted_at_once: u32::MAX }
    }
}

impl Entrance {
    /// The ports that connections are redirected to: none is meant for them.
    #[must_use]
    pub fn redirected_ports(&self) -> [u16; 2] {
        match self {
            Self::Redirected { outbound, inbound } => [*outbound, *inbound],
            Self::Bound(_) => [0, 0],
        }
    }
}

/// Bounds of the process. Zero in the command line means the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections accepted and not yet closed, over all workers. On a few more, requests are answered with 503; what is
    /// beyond those is closed at once and counted. Default: two
    /// fifths of the file descriptor limit, because each may need one upstream and some are needed for other things.
    pub downstream_connections: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { downstream_connections: 8192 }
    }
}

impl Limits {
    /// Raises the limit of open files to what the system allows: shells and containers often start with 1024.
    pub fn raise_descriptors() {
        let limit = getrlimit(Resource::Nofile);
        let raised = Rlimit { current: limit.maximum, ..limit };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, "cannot raise the limit of open files");
        }
    }

    /// The limits of this process; `connections` 0 means what the file descriptor limit allows.
    #[must_use]
    pub fn for_process(connections: u32) -> Self {
        let descriptors = getrlimit(Resource::Nofile).current;
        Self { downstream_connections: downstream(connections, descriptors) }
    }
}

impl Limits {
    /// What becomes of a connection when so many are open; `None`: it is closed at once.
    #[must_use]
    pub fn admission(&self, open: u32) -> Option<Admission> {
        let limit = self.downstream_connections;
        // So many callers at a time learn why they are refused.
        let answered = (limit / 16).clamp(4, 1024);
        match open {
            _ if open < limit => Some(Admission::Admitted),
            _ if open < limit.saturating_add(answered) => Some(Admission::Shed),
            _ => None,
        }
    }
}

/// The most downstream connections when nobody says how many, in words.
pub(crate) const DEFAULT_SHARE: &str = "two fifths of the limit of open files";

/// The most downstream connections.
fn downstream(wanted: u32, descriptors: Option<u64>) -> u32 {
    if wanted > 0 {
        return wanted;
    }
    let share = descriptors.map_or(u64::from(u32::MAX), |limit| limit / 5 * 2);
    u32::try_from(share).unwrap_or(u32::MAX).max(16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_connections_above_the_limit_are_answered() {
        let limits = Limits { downstream_connections: 160 };
        assert_eq!(limits.admission(159), Some(Admission::Admitted));
        assert_eq!(limits.admission(160), Some(Admission::Shed));
        assert_eq!(limits.admission(169), Some(Admission::Shed));
        assert_eq!(limits.admission(170), None);
    }

    #[test]
    fn the_descriptor_limit_bounds_connections() {
        assert_eq!(downstream(7, Some(1024)), 7);
        assert_eq!(downstream(0, Some(1024)), 408);
        assert_eq!(downstream(0, Some(4)), 16);
        assert_eq!(downstream(0, None), u32::MAX);
    }
}
