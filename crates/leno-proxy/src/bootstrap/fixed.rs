//! Resources that never change: nobody is asked for more.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::{
    config::{Cluster, Listener, Registry, Slot},
    discovery::{Question, Snapshot},
};

/// The resources of a file.
#[derive(Debug, Default)]
pub struct Fixed {
    /// The slots of everything that the resources refer to.
    pub(super) registry: Registry,
    /// The clusters, by the order of the file.
    pub(super) clusters: Vec<Arc<Slot<Cluster>>>,
    /// The listeners, for those who look.
    pub(super) listeners: Vec<Arc<Slot<Listener>>>,
}

impl Fixed {
    /// Answers questions until nobody can ask any more.
    pub async fn run(self, mut questions: mpsc::Receiver<Question>) {
        while let Some(question) = questions.recv().await {
            match question {
                // No connection is redirected, so that nobody waits for this.
                Question::Destination(..) => {}
                Question::Snapshot(reply) => drop(reply.send(self.snapshot())),
            }
        }
    }

    fn snapshot(&self) -> Snapshot {
        let mut routes: Vec<_> = self.registry.all_routes().collect();
        routes.sort_by(|a, b| a.name().cmp(b.name()));
        Snapshot {
            connected: true,
            listeners: self.listeners.clone(),
            routes,
            clusters: self.clusters.clone(),
            endpoints: self.registry.all_endpoints().count() as u64,
            ..Snapshot::default()
        }
    }
}
