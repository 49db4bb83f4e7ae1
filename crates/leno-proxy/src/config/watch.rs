//! Files that secrets come from: read again when something in their folder changes.
//!
//! Folders are watched and not files: who replaces a file by renaming another one (or a link, as Kubernetes does) leaves
//! a watch on the file with the old one.

use std::{
    collections::HashSet,
    fmt,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode},
};

/// How many readers may wait for the watching thread to take them up.
const NEW: usize = 1024;

/// Reads something again; `false` when nobody needs it any more.
type Reader = Box<dyn Fn() -> bool + Send>;

/// The watch over folders. There is no thread before there is something to watch.
#[derive(Default)]
pub(super) struct Files {
    watcher: Option<(RecommendedWatcher, SyncSender<Reader>)>,
    folders: HashSet<PathBuf>,
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files").field("folders", &self.folders).finish_non_exhaustive()
    }
}

impl Files {
    /// Has `reader` called whenever something in one of these folders has changed, from a thread of its own. What changes
    /// after this returns is seen.
    ///
    /// # Errors
    /// When a folder cannot be watched.
    pub(super) fn watch(
        &mut self,
        folders: &[PathBuf],
        reader: impl Fn() -> bool + Send + 'static,
    ) -> Result<(), notify::Error> {
        let (watcher, readers) = match &mut self.watcher {
            Some(watcher) => watcher,
            none => none.insert(start()?),
        };
        for folder in folders {
            if !self.folders.contains(folder) {
                watcher.watch(folder, RecursiveMode::NonRecursive)?;
                self.folders.insert(folder.clone());
            }
        }
        readers.try_send(Box::new(reader)).map_err(|_| notify::Error::generic("too many files at once"))
    }
}

/// The thread and the way to give it readers.
fn start() -> Result<(RecommendedWatcher, SyncSender<Reader>), notify::Error> {
    let (sender, receiver) = sync_channel(NEW);
    let mut readers = Vec::new();
    let watcher = notify::recommended_watcher(move |event: Result<Event, notify::Error>| match event {
        Ok(event) if is_change(event.kind) => read(&mut readers, &receiver),
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "watching files"),
    })?;
    Ok((watcher, sender))
}

fn read(readers: &mut Vec<Reader>, new: &Receiver<Reader>) {
    readers.extend(new.try_iter());
    readers.retain(|reader| reader());
}

/// Whether an event may mean that a file has another content. Our own reading is an event, too.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
        EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_) | EventKind::Other => true,
    }
}

/// The folder that a file is in.
pub(super) fn folder(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => PathBuf::from("/"),
    }
}
