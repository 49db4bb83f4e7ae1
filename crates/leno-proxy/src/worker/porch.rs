//! The sockets of listeners that come and go.

use std::{cell::RefCell, collections::HashMap, io, net::SocketAddr, rc::Rc, sync::Arc};

use tokio::{sync::watch, task::AbortHandle};

use super::Worker;
use crate::{
    listener::accept::{self, Door},
    settings::{Bound, Doors},
};

/// A worker's sockets, one for each address.
pub(super) struct Porch {
    worker: Rc<Worker>,
    doors: watch::Receiver<Doors>,
    open: HashMap<SocketAddr, Open>,
}

/// An address at which connections are accepted.
struct Open {
    /// What happens to new connections. Those that are there keep what they came in by.
    bound: Rc<RefCell<Arc<Bound>>>,
    accepting: AbortHandle,
}

impl Porch {
    /// With nothing open yet.
    pub(super) fn new(worker: &Rc<Worker>, doors: &watch::Receiver<Doors>) -> Self {
        Self { worker: Rc::clone(worker), doors: doors.clone(), open: HashMap::new() }
    }

    /// Opens what is to be open and is not, and closes the rest. A listener that has changed keeps its socket, and the
    /// connections that wait in it.
    ///
    /// # Errors
    /// The first address that cannot be had; the others are open.
    pub(super) fn follow(&mut self) -> io::Result<()> {
        let wanted = Arc::clone(&self.doors.borrow_and_update());
        self.open.retain(|address, open| {
            let stays = wanted.iter().any(|bound| bound.address == *address);
            if !stays {
                open.accepting.abort();
            }
            stays
        });
        let mut result = Ok(());
        for bound in wanted.iter() {
            match self.open.get(&bound.address) {
                Some(open) => *open.bound.borrow_mut() = Arc::clone(bound),
                None => result = result.and(self.open(bound)),
            }
        }
        result
    }

    fn open(&mut self, bound: &Arc<Bound>) -> io::Result<()> {
        let cannot = |error: io::Error| {
            io::Error::new(error.kind(), format!("listener {:?}, {}: {error}", bound.listener.name, bound.address))
        };
        let listener = accept::open(bound.address, bound.socket).map_err(cannot)?;
        let address = bound.address;
        let bound = Rc::new(RefCell::new(Arc::clone(bound)));
        let accepting = accept::run(Rc::clone(&self.worker), listener, Door::Bound(Rc::clone(&bound)));
        let accepting = tokio::task::spawn_local(accepting).abort_handle();
        self.open.insert(address, Open { bound, accepting });
        Ok(())
    }

    /// Follows changes as long as there may be any.
    pub(super) async fn keep(mut self) {
        while self.doors.changed().await.is_ok() {
            if let Err(error) = self.follow() {
                tracing::error!(%error, "cannot listen");
            }
        }
    }
}
