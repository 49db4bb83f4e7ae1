//! Configuration from the control plane: one delta ADS stream on the control thread, lazily by original destination.
//!
//! ```text
//! worker: first connection to 10.96.0.7:80 ──► Lookup ──► client: subscribe Listener outbound/10.96.0.7:80
//!                                                            │ answer
//!            Slot<Listener> ◄── store: convert, wait for what it refers to, put into use ──► cache on disk
//! ```

pub mod store;
pub mod cache;

use std::{net::SocketAddr, sync::Arc};

use tokio::sync::{mpsc, oneshot};

use crate::config::{Listener, Slot};

/// Questions that may wait for the control thread.
const QUESTIONS: usize = 1024;

/// A worker's question for the control thread: the listener of an original destination.
#[derive(Debug)]
pub struct Question {
    /// The destination.
    pub destination: SocketAddr,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Arc<Slot<Listener>>>,
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
        self.questions.send(Question { destination, reply }).await.ok()?;
        answer.await.ok()
    }
}
