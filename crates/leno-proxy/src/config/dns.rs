//! Endpoints that are known by name.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use super::{Endpoint, EndpointSet, SetRules, Slot};
pub use crate::dns::{Family, Resolver};

/// The endpoints of a cluster that are known by name.
#[derive(Debug)]
pub struct DnsEndpoints {
    /// What becomes of several addresses.
    pub kind: DnsKind,
    /// The names.
    pub names: Vec<Named>,
    /// What is said of all of them together.
    pub rules: SetRules,
    /// Which addresses are wanted.
    pub family: Family,
    /// Who is asked.
    pub resolver: Resolver,
    /// How often they are asked for; default five seconds.
    pub refresh: Duration,
    /// How often when that fails.
    pub failure: Failure,
    /// Whether answers say how long they hold.
    pub respect_ttl: bool,
    /// How long they hold at least.
    pub shortest: Duration,
    /// Anything up to this is added to the time.
    pub jitter: Duration,
    /// What is known; pending until the first answers.
    pub slot: Arc<Slot<EndpointSet>>,
    /// Whether somebody asks.
    pub started: AtomicBool,
}

/// What becomes of the addresses of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DnsKind {
    /// Each is an endpoint (`STRICT_DNS`).
    Strict,
    /// The first is the endpoint (`LOGICAL_DNS`).
    Logical,
}

/// A name, and what is said of the endpoints behind it.
#[derive(Debug)]
pub struct Named {
    /// The name, or an address.
    pub host: Box<str>,
    /// The port.
    pub port: u16,
    /// An endpoint as those behind it are, at no address.
    pub endpoint: Endpoint,
}

/// How often a name is asked for again that could not be resolved: from `base` on, doubled up to `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The shortest time.
    pub base: Duration,
    /// The longest.
    pub max: Duration,
}
