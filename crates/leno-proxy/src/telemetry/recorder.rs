//! The counters of one worker: no lock, and no allocation once a series exists.

use std::{cell::RefCell, fmt, rc::Rc, sync::Arc};

use leno_engine::resilience::outlier::EjectionCause;

use super::{
    decision::Decisions,
    event::{EjectionVerdict, HandshakeError, Protocol},
    series::{Key, Labels, RequestCells, TcpCells},
    totals::{Occasion, Totals},
};
use crate::{
    connection::{Callee, Connection, Direction},
    error::ErrorKind,
    hash::HashMap,
};

/// The most live series of a kind: when there are more they are folded into [`Totals`] by their text.
const MAX_LIVE: usize = 1024;

/// The counters of one worker.
#[derive(Default)]
pub struct Recorder {
    tables: RefCell<Tables>,
    /// What filters decided.
    pub(crate) decisions: Decisions,
}

#[derive(Default)]
struct Tables {
    /// Requests, by identity of their labels.
    requests: HashMap<Key, RequestCells>,
    /// TCP connections; shared with the connections that are open.
    tcp: HashMap<Key, Rc<TcpCells>>,
    /// All else, and what was folded.
    totals: Totals,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recorder")
    }
}

impl Recorder {
    /// Everything counted so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let tables = self.tables.borrow();
        let mut totals = tables.totals.clone();
        totals.decisions = self.decisions.totals();
        for (key, cells) in &tables.requests {
            totals.add_request(Labels::from(key), &cells.total());
        }
        for (key, cells) in &tables.tcp {
            totals.add_tcp(Labels::from(key), &cells.total());
        }
        totals
    }

    /// Counts a request.
    pub(crate) fn request(&self, key: Key, add: impl FnOnce(&RequestCells)) {
        let tables = &mut *self.tables.borrow_mut();
        if tables.requests.len() >= MAX_LIVE && !tables.requests.contains_key(&key) {
            for (key, cells) in tables.requests.drain() {
                tables.totals.add_request(Labels::from(&key), &cells.total());
            }
        }
        add(tables.requests.entry(key).or_default());
    }

    /// The cells of a TCP connection.
    #[must_use]
    pub fn tcp(&self, connection: &Connection, callee: &Callee) -> Rc<TcpCells> {
        let key = Key::new(connection, callee, Protocol::Tcp);
        let tables = &mut *self.tables.borrow_mut();
        if let Some(cells) = tables.tcp.get(&key) {
            return Rc::clone(cells);
        }
        if tables.tcp.len() >= MAX_LIVE {
            let totals = &mut tables.totals;
            tables.tcp.retain(|key, cells| {
                let used = Rc::strong_count(cells) > 1;
                if !used {
                    totals.add_tcp(Labels::from(key), &cells.total());
                }
                used
            });
        }
        let cells = Rc::<TcpCells>::default();
        tables.tcp.insert(key, Rc::clone(&cells));
        cells
    }

    /// Counts a denial or a retry.
    pub(crate) fn occasion(&self, occasion: Occasion, key: &Key) {
        self.tables.borrow_mut().totals.add_occasion(occasion, Labels::from(key), 1);
    }

    /// Counts a handshake.
    pub(crate) fn handshake(&self, direction: Direction, error: Option<HandshakeError>, resumed: bool) {
        let totals = &mut self.tables.borrow_mut().totals;
        *totals.handshakes.entry((direction, error, resumed)).or_default() += 1;
    }

    /// Counts an outlier of a service.
    pub(crate) fn ejected(&self, service: &Arc<str>, cause: EjectionCause, verdict: EjectionVerdict) {
        self.tables.borrow_mut().totals.add_outlier((Arc::clone(service), cause, verdict), 1);
    }

    /// Counts a connection turned away.
    pub(crate) fn refused(&self, direction: Direction, reason: ErrorKind) {
        *self.tables.borrow_mut().totals.refused.entry((direction, reason)).or_default() += 1;
    }
}
