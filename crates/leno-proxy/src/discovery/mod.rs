//! Configuration from the control plane: one delta ADS stream on the control thread, lazily by original destination.
//!
//! ```text
//! worker: first connection to 10.96.0.7:80 ──► Lookup ──► run: subscribe Listener outbound/10.96.0.7:80
//!                                                            │ answer
//!            Slot<Listener> ◄── store: convert, wait for what it refers to, put into use ──► cache on disk
//! ```

pub mod cache;
pub mod control_plane;
mod own_cluster;
pub mod run;
pub mod source;
mod staged;
pub mod store;
pub mod trust;
pub mod upstream;
mod who;
pub mod whole;

use std::{net::SocketAddr, sync::Arc};

use leno_xds::ResourceType;
use tokio::sync::{mpsc, oneshot};

use self::store::Counts;
use crate::config::{Cluster, Listener, Routes, Slot};

/// Questions that may wait for the control thread.
const QUESTIONS: usize = 1024;

/// A question for the control thread.
#[derive(Debug)]
pub enum Question {
    /// The listener of an original destination.
    Destination(SocketAddr, oneshot::Sender<Arc<Slot<Listener>>>),
    /// What is in use.
    Snapshot(oneshot::Sender<Snapshot>),
}

/// A resource that was refused.
#[derive(Clone, Debug)]
pub struct Rejection {
    /// Its type.
    pub kind: ResourceType,
    /// Its name.
    pub name: Arc<str>,
    /// Why.
    pub reason: String,
}

/// What is in use at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Whether the control plane is connected.
    pub connected: bool,
    /// Listeners, sorted by name.
    pub listeners: Vec<Arc<Slot<Listener>>>,
    /// Route configurations, sorted by name.
    pub routes: Vec<Arc<Slot<Routes>>>,
    /// Clusters, sorted by name.
    pub clusters: Vec<Arc<Slot<Cluster>>>,
    /// How many load assignments.
    pub endpoints: u64,
    /// What was refused last and is not replaced by something better.
    pub rejected: Vec<Rejection>,
    /// What was done so far.
    pub counts: Counts,
}

/// The kinds of resources that are subscribed to, in the order of [`Snapshot::resources`].
pub const KINDS: [&str; 4] = ["listener", "route", "cluster", "endpoint"];

impl Snapshot {
    /// How many resources of each kind are subscribed to.
    #[must_use]
    pub fn resources(&self) -> Vec<(&'static str, u64)> {
        let counts =
            [self.listeners.len() as u64, self.routes.len() as u64, self.clusters.len() as u64, self.endpoints];
        KINDS.into_iter().zip(counts).collect()
    }
}

/// Where workers get configuration from.
#[derive(Clone, Debug)]
pub struct Lookup {
    questions: mpsc::Sender<Question>,
    inbound: Arc<Slot<Listener>>,
    outbound: Arc<Slot<Listener>>,
}

impl Lookup {
    /// The workers' end, and the control thread's.
    #[must_use]
    pub fn new(inbound: Arc<Slot<Listener>>, outbound: Arc<Slot<Listener>>) -> (Self, mpsc::Receiver<Question>) {
        let (questions, receiver) = mpsc::channel(QUESTIONS);
        (Self { questions, inbound, outbound }, receiver)
    }

    /// The listener of all that reaches the workload.
    #[must_use]
    pub fn inbound(&self) -> &Arc<Slot<Listener>> {
        &self.inbound
    }

    /// The listener of destinations that the mesh does not know.
    #[must_use]
    pub fn outbound(&self) -> &Arc<Slot<Listener>> {
        &self.outbound
    }

    /// The listener of an original destination, subscribed if it was not; `None` when the control thread is gone.
    pub async fn destination(&self, destination: SocketAddr) -> Option<Arc<Slot<Listener>>> {
        let (reply, answer) = oneshot::channel();
        self.questions.send(Question::Destination(destination, reply)).await.ok()?;
        answer.await.ok()
    }

    /// What is in use; `None` when the control thread is gone.
    pub async fn snapshot(&self) -> Option<Snapshot> {
        let (reply, answer) = oneshot::channel();
        self.questions.send(Question::Snapshot(reply)).await.ok()?;
        answer.await.ok()
    }
}
