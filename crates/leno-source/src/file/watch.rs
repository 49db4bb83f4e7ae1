//! Tells when something below a directory may have changed.
//!
//! The kernel's notices (inotify) come first; a look every few seconds catches what they miss: directories that are
//! replaced as a whole, targets of links outside of the tree, notices that were too many.

use std::{
    collections::HashSet,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher, event::AccessKind, event::AccessMode};
use tokio::{
    sync::Notify,
    time::{Instant, timeout, timeout_at},
};
use tracing::warn;

/// The files that were written to, as far as it is known.
pub(super) type Touched = HashSet<PathBuf>;

/// After a notice it must be quiet for this long, so that a burst of changes is one.
const QUIET: Duration = Duration::from_millis(15);
/// After the first notice nothing waits longer than this.
const LONGEST_WAIT: Duration = Duration::from_millis(50);
/// How often a look is taken without any notice.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// How often a look is taken where the kernel gives no notices.
const LOOK_OFTEN: Duration = Duration::from_millis(500);
/// The most files that are remembered as written to; past it their stamps tell.
const MAX_TOUCHED: usize = 10_000;

/// Tells when something below a directory may have changed.
pub(super) struct Watch {
    directory: PathBuf,
    shared: Arc<Shared>,
    /// Held because dropping it ends the notices.
    watcher: Option<RecommendedWatcher>,
    /// The directory that is watched, which may not be the one that has the name now.
    watched: Option<(u64, u64)>,
    /// Whether it was said that there are no notices.
    told: bool,
}

#[derive(Default)]
struct Shared {
    touched: Mutex<Touched>,
    notify: Notify,
}

impl Watch {
    pub(super) fn new(directory: &Path) -> Self {
        let shared = Arc::new(Shared::default());
        let mut watch = Self { directory: directory.to_owned(), shared, watcher: None, watched: None, told: false };
        watch.arm();
        watch
    }

    /// Waits until something may have changed. Gives the files that were written to.
    pub(super) async fn changed(&mut self) -> Touched {
        let every = if self.watcher.is_some() { LOOK_EVERY } else { LOOK_OFTEN };
        let noticed = timeout(every, self.shared.notify.notified()).await.is_ok();
        if noticed {
            let deadline = Instant::now() + LONGEST_WAIT;
            // Each notice within the quiet time begins it anew.
            while timeout_at(deadline.min(Instant::now() + QUIET), self.shared.notify.notified()).await.is_ok()
                && Instant::now() < deadline
            {}
        }
        self.arm();
        std::mem::take(&mut *self.shared.touched.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Watches the directory that has the name now, unless it is watched already.
    fn arm(&mut self) {
        let now = fs::metadata(&self.directory).ok().map(|metadata| (metadata.dev(), metadata.ino()));
        if self.watched == now && (self.watcher.is_some() || now.is_none()) {
            return;
        }
        self.watcher = None;
        self.watched = now;
        if now.is_none() {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let watcher = notify::recommended_watcher(move |event| shared.take(event)).and_then(|mut watcher| {
            watcher.watch(&self.directory, RecursiveMode::Recursive)?;
            Ok(watcher)
        });
        match watcher {
            Ok(watcher) => self.watcher = Some(watcher),
            Err(error) if !self.told => {
                self.told = true;
                let path = self.directory.display();
                warn!("no notices of changes in {path} ({error}); it is looked at twice a second instead");
            }
            Err(_) => {}
        }
    }
}

impl Shared {
    fn take(&self, event: notify::Result<notify::Event>) {
        let Ok(event) = event else {
            self.notify.notify_one();
            return;
        };
        let relevant = match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
            // Reading, ours among it, changes nothing.
            EventKind::Access(_) => false,
            EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_) | EventKind::Other => {
                true
            }
        };
        if !relevant {
            return;
        }
        let mut touched = self.touched.lock().unwrap_or_else(PoisonError::into_inner);
        if touched.len() < MAX_TOUCHED {
            touched.extend(event.paths);
        }
        drop(touched);
        self.notify.notify_one();
    }
}
