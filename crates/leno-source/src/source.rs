//! What every source gives: the mesh now, and whenever it changes.

use std::{collections::HashSet, sync::Arc};

use leno_model::Snapshot;
use tokio::{sync::watch, task::JoinHandle};
use tracing::{info, warn};

use crate::{Assembly, Contents, Objects, Status, Store};

/// The mesh as a source describes it, kept up to date until this is dropped.
#[derive(Debug)]
pub struct Source {
    receivers: Receivers,
    task: JoinHandle<()>,
}

impl Source {
    /// What was and will be published here is what `following` finds out.
    pub(crate) fn new(receivers: Receivers, following: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { receivers, task: leno_runtime::task::spawn(following) }
    }

    /// The mesh, now and whenever it changes.
    #[must_use]
    pub fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.receivers.snapshots.clone()
    }

    /// What people are told about their objects, now and whenever it changes.
    #[must_use]
    pub fn statuses(&self) -> watch::Receiver<Arc<Status>> {
        self.receivers.statuses.clone()
    }

    /// The objects themselves (of a broken one its last good version), now and whenever they change.
    #[must_use]
    pub fn objects(&self) -> watch::Receiver<Arc<Objects>> {
        self.receivers.objects.clone()
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Where what a [`Publisher`] says is heard.
#[derive(Debug)]
pub(crate) struct Receivers {
    snapshots: watch::Receiver<Arc<Snapshot>>,
    statuses: watch::Receiver<Arc<Status>>,
    objects: watch::Receiver<Arc<Objects>>,
}

/// Where what was found out is told.
#[derive(Default)]
pub(crate) struct Publisher {
    store: Store,
    snapshots: watch::Sender<Arc<Snapshot>>,
    statuses: watch::Sender<Arc<Status>>,
    objects: watch::Sender<Arc<Objects>>,
    /// What was logged already: nothing is logged twice while it stays wrong.
    told: HashSet<String>,
}

impl Publisher {
    /// Where it is heard.
    pub(crate) fn receivers(&self) -> Receivers {
        Receivers {
            snapshots: self.snapshots.subscribe(),
            statuses: self.statuses.subscribe(),
            objects: self.objects.subscribe(),
        }
    }

    /// Tells what these objects mean, and what is wrong with them.
    pub(crate) fn publish(&mut self, contents: Contents) {
        let Contents { objects, stale, invalid: unread, ignored } = contents;
        let Assembly { snapshot, invalid: unresolved, notes, attachments, routes } = self.store.update(&objects);
        let mut invalid = unread;
        invalid.extend(unresolved);
        let manifests = objects.iter().map(|manifest| (manifest, stale.contains(&manifest.key())));
        let states = Status::objects(manifests, &invalid, &notes);
        let version = snapshot.version;
        let status = Status { version, invalid, notes, attachments, ignored, objects: states, routes };
        self.log(&status);
        let snapshot = Arc::clone(self.store.snapshot());
        let objects = Arc::new(objects);
        // Objects first, the snapshot last: whoever sees a version of it finds the others at least as new.
        self.objects.send_if_modified(|current| replace(current, objects));
        self.statuses.send_if_modified(|current| replace(current, Arc::new(status)));
        self.snapshots.send_if_modified(|current| replace(current, snapshot));
    }

    fn log(&mut self, status: &Status) {
        let before = std::mem::take(&mut self.told);
        let warnings = status.invalid.iter().map(ToString::to_string);
        for text in warnings {
            if !before.contains(&text) {
                warn!("{text}");
            }
            self.told.insert(text);
        }
        let remarks = status.notes.iter().map(ToString::to_string);
        for text in remarks.chain(status.ignored.iter().map(ToString::to_string)) {
            if !before.contains(&text) {
                info!("{text}");
            }
            self.told.insert(text);
        }
    }
}

fn replace<T: PartialEq>(current: &mut Arc<T>, new: Arc<T>) -> bool {
    let changed = *current != new;
    *current = new;
    changed
}
