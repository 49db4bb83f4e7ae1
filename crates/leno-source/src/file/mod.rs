//! Manifests in files: a directory of any depth, watched.

pub mod tree;
mod watch;

use std::{
    collections::HashSet,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use leno_model::Snapshot;
use tokio::{sync::watch as channel, task::JoinHandle};
use tracing::{info, warn};

pub use self::tree::{Contents, Tree};
use self::watch::{Touched, Watch};
use crate::{Assembly, Objects, Status, Store};

/// Why a directory of manifests cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("read manifests from {path}")]
    Read {
        /// The directory or file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The mesh as files describe it, kept up to date until this is dropped.
#[derive(Debug)]
pub struct FileSource {
    snapshots: channel::Receiver<Arc<Snapshot>>,
    statuses: channel::Receiver<Arc<Status>>,
    objects: channel::Receiver<Arc<Objects>>,
    task: JoinHandle<()>,
}

/// Where what was found out is told.
struct Publisher {
    store: Store,
    snapshots: channel::Sender<Arc<Snapshot>>,
    statuses: channel::Sender<Arc<Status>>,
    objects: channel::Sender<Arc<Objects>>,
    /// What was logged already: nothing is logged twice while it stays wrong.
    told: HashSet<String>,
}

impl FileSource {
    /// Reads every manifest below a directory, then watches it. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`FileError`] when the directory cannot be read. A file that cannot be read, or is wrong, is no error: it is
    /// told in the [`Status`].
    pub fn start(directory: &Path) -> Result<Self, FileError> {
        let error = |source| FileError::Read { path: directory.to_owned(), source };
        std::fs::read_dir(directory).map_err(error)?;
        // Watched before it is read: a change in between is seen.
        let watch = Watch::new(directory);
        let mut tree = Tree::new(vec![directory.to_owned()]);
        tree.refresh(&HashSet::new());
        let (snapshots, statuses, objects) =
            (channel::Sender::default(), channel::Sender::default(), channel::Sender::default());
        let source = (snapshots.subscribe(), statuses.subscribe(), objects.subscribe());
        let mut publisher = Publisher { store: Store::default(), snapshots, statuses, objects, told: HashSet::new() };
        publisher.publish(tree.contents());
        let task = leno_runtime::task::spawn(follow(watch, tree, publisher));
        Ok(Self { snapshots: source.0, statuses: source.1, objects: source.2, task })
    }

    /// The mesh, now and whenever it changes.
    #[must_use]
    pub fn snapshots(&self) -> channel::Receiver<Arc<Snapshot>> {
        self.snapshots.clone()
    }

    /// What people are told about their objects, now and whenever it changes.
    #[must_use]
    pub fn statuses(&self) -> channel::Receiver<Arc<Status>> {
        self.statuses.clone()
    }

    /// The objects themselves (of a broken one its last good version), now and whenever they change.
    #[must_use]
    pub fn objects(&self) -> channel::Receiver<Arc<Objects>> {
        self.objects.clone()
    }
}

impl Drop for FileSource {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads anew what changed, for as long as the source lives.
async fn follow(mut watch: Watch, mut tree: Tree, mut publisher: Publisher) {
    loop {
        let touched: Touched = watch.changed().await;
        let reading = tokio::task::spawn_blocking(move || {
            let changed = tree.refresh(&touched);
            (tree, changed)
        });
        // Reading does not panic (property tests); if it does, the last snapshot stays in force.
        let Ok((read, changed)) = reading.await else {
            warn!("reading manifests ended unexpectedly; changes are no longer followed");
            return;
        };
        tree = read;
        if changed {
            publisher.publish(tree.contents());
        }
    }
}

impl Publisher {
    fn publish(&mut self, contents: Contents) {
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
