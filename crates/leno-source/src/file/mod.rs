//! Manifests in files: a directory of any depth, watched.

pub mod tree;
mod watch;

use std::{
    collections::HashSet,
    io,
    path::{Path, PathBuf},
};

use tracing::warn;

pub use self::tree::Tree;
use self::watch::{Touched, Watch};
use crate::{Source, source::Publisher};

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

/// Reads every manifest below a directory, then watches it. Must be called within a tokio runtime.
///
/// # Errors
/// [`FileError`] when the directory cannot be read. A file that cannot be read, or is wrong, is no error: it is told in
/// the [`Status`](crate::Status).
pub fn start(directory: &Path) -> Result<Source, FileError> {
    let error = |source| FileError::Read { path: directory.to_owned(), source };
    std::fs::read_dir(directory).map_err(error)?;
    // Watched before it is read: a change in between is seen.
    let watch = Watch::new(directory);
    let mut tree = Tree::new(vec![directory.to_owned()]);
    tree.refresh(&HashSet::new());
    let mut publisher = Publisher::default();
    let receivers = publisher.receivers();
    publisher.publish(tree.contents());
    Ok(Source::new(receivers, follow(watch, tree, publisher)))
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
