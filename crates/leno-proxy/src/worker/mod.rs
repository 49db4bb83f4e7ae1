//! Workers: one thread each with its own single-threaded runtime, sockets, pools and counters.

mod porch;
pub mod run;

use std::{
    cell::Cell,
    fmt,
    future::Future,
    rc::Rc,
    sync::{Arc, atomic::AtomicU32},
};

use leno_runtime::Drained;

use crate::{
    config::Balancers,
    connection::Services,
    discovery::Lookup,
    identity::Credentials,
    listener::{
        caller::Callers,
        destination::{Destinations, Habits},
    },
    service::keys::KeySets,
    settings::Settings,
    tcp::buffer::Buffers,
    telemetry::{
        Recorder,
        access_log::{AccessLog, WorkerLog},
    },
    upstream::Pools,
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
    /// Whose turn it is among endpoints.
    pub balancers: Balancers,
    /// Counters.
    pub telemetry: Recorder,
    /// Its end of the access log.
    pub access_log: WorkerLog,
    /// Known original destinations.
    pub destinations: Destinations,
    /// Who speaks first at the workload's ports.
    pub habits: Habits,
    /// Known callers.
    pub callers: Callers,
    /// Known services.
    pub services: Services,
    /// Keys of token issuers.
    pub(crate) keys: KeySets,
    /// Buffers for relays.
    pub buffers: Buffers,
    /// Tells when to end: whatever waits for the next request should wait for this as well. The worker holds it until
    /// it has ended.
    pub drained: Drained,
    /// Whether the process is ending.
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
    /// A worker without sockets.
    #[must_use]
    pub fn new(id: usize, shared: Arc<Shared>, drained: Drained) -> Rc<Self> {
        Rc::new(Self {
            id,
            pools: Pools::default(),
            balancers: Balancers::default(),
            telemetry: Recorder::default(),
            access_log: shared.access_log.worker(),
            destinations: Destinations::default(),
            habits: Habits::default(),
            callers: Callers::default(),
            services: Services::default(),
            keys: KeySets::default(),
            buffers: Buffers::default(),
            draining: Cell::new(drained.is_draining()),
            drained,
            tasks: Rc::default(),
            shared,
        })
    }

    /// Whether the process is ending: answers say `Connection: close`, HTTP/2 connections say GOAWAY. Cheaper than
    /// [`Drained::is_draining`], which takes a lock.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Has answers say so from now on.
    pub fn set_draining(&self) {
        self.draining.set(true);
    }

    /// How many tasks are under way.
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.tasks.get()
    }

    /// Runs a future on this worker's thread. The worker's end waits for it, within the drain time.
    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) {
        let running = Running::new(&self.tasks);
        // Boxed: a future that another one awaits takes its room twice.
        let future = Box::pin(future);
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
