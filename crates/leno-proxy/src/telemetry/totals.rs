//! Counts by label text: what survives when connections and addresses are gone, and what a scrape gets.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use leno_engine::resilience::outlier::EjectionCause;

use super::{
    decision::DecisionTotals,
    event::{EjectionVerdict, HandshakeError},
    series::{Labels, RequestTotal, TcpTotal},
};
use crate::{connection::Direction, error::ErrorKind};

/// The most label sets of one table of one worker; what comes after them is counted under `overflow`.
pub const MAX_SERIES: usize = 4096;

/// Occasions that are counted one by one, with the labels of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Occasion {
    /// `leno_denied_total`.
    Denied,
    /// `leno_shadow_denied_total`.
    ShadowDenied,
    /// `leno_audited_total`.
    Audited,
    /// `leno_retries_total`.
    Retried,
    /// `leno_tcp_connections_failed_total`.
    TcpFailed,
}

/// What handshakes are counted by: direction, failure, and whether a session was resumed.
pub type Handshake = (Direction, Option<HandshakeError>, bool);

/// What outliers are counted by: service, cause, and what was done about it.
pub type Outlier = (Arc<str>, EjectionCause, EjectionVerdict);

/// Everything that a worker, or all of them, have counted.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Requests.
    pub requests: HashMap<Labels, RequestTotal>,
    /// TCP connections.
    pub tcp: HashMap<Labels, TcpTotal>,
    /// Denials, retries and TCP failures; [`Labels::flags`] is the reason.
    pub occasions: HashMap<(Occasion, Labels), u64>,
    /// TLS handshakes by direction, failure and whether a session was resumed.
    pub handshakes: HashMap<Handshake, u64>,
    /// Outliers among endpoints.
    pub outliers: HashMap<Outlier, u64>,
    /// Connections turned away by a limit.
    pub refused: HashMap<(Direction, ErrorKind), u64>,
    /// What filters decided, by filter and decision.
    pub decisions: DecisionTotals,
}

impl Totals {
    /// Adds what another has counted.
    pub fn merge(&mut self, other: &Self) {
        for (labels, total) in &other.requests {
            self.add_request(labels.clone(), total);
        }
        for (labels, total) in &other.tcp {
            self.add_tcp(labels.clone(), total);
        }
        for ((occasion, labels), count) in &other.occasions {
            self.add_occasion(*occasion, labels.clone(), *count);
        }
        for (key, count) in &other.handshakes {
            *self.handshakes.entry(*key).or_default() += count;
        }
        for (key, count) in &other.outliers {
            self.add_outlier(key.clone(), *count);
        }
        for (mine, theirs) in self.decisions.iter_mut().flatten().zip(other.decisions.iter().flatten()) {
            *mine += theirs;
        }
        for (key, count) in &other.refused {
            *self.refused.entry(*key).or_default() += count;
        }
    }

    pub(crate) fn add_request(&mut self, labels: Labels, total: &RequestTotal) {
        place(&mut self.requests, labels, Labels::overflow).add(total);
    }

    pub(crate) fn add_tcp(&mut self, labels: Labels, total: &TcpTotal) {
        place(&mut self.tcp, labels, Labels::overflow).add(total);
    }

    pub(crate) fn add_outlier(&mut self, key: Outlier, count: u64) {
        let overflow = |(_, cause, verdict): &Outlier| ("overflow".into(), *cause, *verdict);
        *place(&mut self.outliers, key, overflow) += count;
    }

    pub(crate) fn add_occasion(&mut self, occasion: Occasion, labels: Labels, count: u64) {
        let overflow = |(occasion, labels): &(Occasion, Labels)| (*occasion, labels.overflow());
        *place(&mut self.occasions, (occasion, labels), overflow) += count;
    }
}

/// The place of a key in a bounded table.
fn place<K: Eq + Hash, V: Default>(table: &mut HashMap<K, V>, key: K, overflow: impl Fn(&K) -> K) -> &mut V {
    let fits = table.len() < MAX_SERIES || table.contains_key(&key);
    let key = if fits { key } else { overflow(&key) };
    table.entry(key).or_default()
}
