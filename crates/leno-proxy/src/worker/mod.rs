//! Workers: one thread each with its own single-threaded runtime, sockets, pools and counters.

use std::{
    cell::Cell,
    fmt,
    future::Future,
    rc::Rc,
    sync::{Arc, atomic::AtomicU32},
};

use leno_runtime::Drained;

use crate::{
    discovery::Lookup, identity::Credentials, listener::outbound::Destinations, settings::Settings,
    telemetry::{Recorder, access_log::AccessLog}, upstream::Pools,
};

/// What all workers and the control thread share.
#[derive(Debug)]
pub struct Shared {
    /// What the process was told at start.
    pub settings: Settings,
    /// The workload's own certificate and the roots that peers are verified against.
    pub credentials: Arc<Credentials>,
    /// Where configuration comes from.
    pub config: Lookup,
    /// The access log.
    pub access_log: AccessLog,
    /// Downstream connections open over all workers.
    pub connections: AtomicU32,
}

/// One worker: everything that its connections use, on its own thread.
pub struct Worker {
    /// Its number, from 0.
    pub id: usize,
    /// What all workers share.
    pub shared: Arc<Shared>,
    /// Connections to endpoints that wait for the next request.
    pub pools: Pools,
    /// Counters.
    pub telemetry: Recorder,
    /// Known original destinations.
    pub destinations: Destinations,
    /// Tells when to end; held until the worker has ended.
    pub drained: Drained,
    /// Whether the process is ending: answers say `Connection: close`, HTTP/2 connections say GOAWAY.
    draining: Cell<bool>,
    /// Tasks under way.
    tasks: Rc<Cell<usize>>,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker {} with {} tasks", self.id, self.tasks.get())
    }
}

impl Worker {
    /// Whether the process is ending.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// How many tasks are under way.
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.tasks.get()
    }

    /// Runs a future on this worker's thread. The worker's end waits for it, within the drain time.
    pub fn spawn(self: &Rc<Self>, future: impl Future<Output = ()> + 'static) {
        let running = Running::new(&self.tasks);
        tokio::task::spawn_local(async move {
            future.await;
            drop(running);
        });
    }
}

/// Counts a task while it lives, a panic included.
struct Running(Rc<Cell<usize>>);

impl Running {
    fn new(tasks: &Rc<Cell<usize>>) -> Self {
        tasks.set(tasks.get() + 1);
        Self(Rc::clone(tasks))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}
