//! The packet rules that lead a workload's traffic through its sidecar: table `inet leno` of the current network
//! namespace, written over netlink with no external program.
//!
//! ```text
//! output ──► the sidecar's own? ──► leave alone (a call of the pod to itself: to inbound)
//!        ──► excluded, or local? ──► leave alone
//!        ──► else TCP ──► redirect to the outbound port
//! input  ──► excluded, or from this pod? ──► leave alone,  else TCP ──► redirect to the inbound port
//! ```

use leno_model::mesh::Interception;

/// How the sidecar's own connections are told from the application's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// By the mark of its sockets: this one for outbound connections, this one plus 1 for those to the application.
    Mark(u32),
    /// By the user that it runs as. Connections to the application then come from 127.0.0.6.
    User(u32),
}

/// What to redirect, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// How the sidecar's own connections are known.
    pub own: Own,
    /// Where the sidecar takes connections of the application.
    pub outbound_port: u16,
    /// Where the sidecar takes connections to the application.
    pub inbound_port: u16,
    /// Ports of the sidecar that are reached directly (metrics and readiness).
    pub direct_ports: Vec<u16>,
    /// What is kept away from the sidecar.
    pub interception: Interception,
}

impl Default for Redirect {
    fn default() -> Self {
        Self {
            own: Own::Mark(DEFAULT_MARK),
            outbound_port: 15001,
            inbound_port: 15006,
            direct_ports: vec![15020],
            interception: Interception::default(),
        }
    }
}

/// The mark of a sidecar's sockets unless told otherwise: `LENO`.
pub const DEFAULT_MARK: u32 = 0x4c45_4e4f;
