//! The rules' files: read at the start, and again whenever they change.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use leno_model::Invalid;
use tracing::{error, info};

use crate::{
    metric::Metrics,
    rules::{Rules, Text, read},
    service::Service,
};

/// How often files are looked at. Looking is told by nobody, so it also sees what a mounted ConfigMap swaps in.
const LOOK: Duration = Duration::from_secs(1);

/// Why rules could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FilesError {
    /// A file or folder cannot be read.
    #[error("read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// What stands in them is wrong.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Invalid(Vec<Invalid>),
}

/// What a file looked like: name, when it was written, how long it was.
type Look = Vec<(PathBuf, Option<SystemTime>, u64)>;

/// The files that are followed.
#[derive(Debug)]
pub(crate) struct Files {
    paths: Vec<PathBuf>,
    seen: Look,
}

impl Files {
    /// Reads the rules of files, and of the `.yaml`, `.yml` and `.json` files of folders.
    pub(crate) fn read(paths: &[PathBuf]) -> Result<(Self, Rules), FilesError> {
        let seen = look(paths)?;
        let rules = rules(&seen)?;
        Ok((Self { paths: paths.to_owned(), seen }, rules))
    }

    /// Follows them: what is right is used at once, what is wrong is said and has no effect.
    pub(crate) async fn follow(mut self, service: Service, metrics: &Metrics) {
        let mut ticks = tokio::time::interval(LOOK);
        loop {
            ticks.tick().await;
            match self.changed() {
                Ok(None) => continue,
                Ok(Some(rules)) => {
                    info!(domains = rules.domains().count(), "the limits are read again");
                    service.replace(rules);
                    metrics.reloaded(true);
                }
                Err(wrong) => {
                    error!("the limits from before go on: {wrong}");
                    metrics.reloaded(false);
                }
            }
        }
    }

    fn changed(&mut self) -> Result<Option<Rules>, FilesError> {
        let now = look(&self.paths)?;
        if now == self.seen {
            return Ok(None);
        }
        // Remembered first: what is wrong is said once.
        self.seen = now;
        rules(&self.seen).map(Some)
    }
}

fn look(paths: &[PathBuf]) -> Result<Look, FilesError> {
    let mut files = Vec::new();
    for path in paths {
        let failed = |error| FilesError::Read { path: path.clone(), error };
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        for entry in fs::read_dir(path).map_err(failed)? {
            let file = entry.map_err(failed)?.path();
            if is_ours(&file) {
                files.push(file);
            }
        }
    }
    files.sort();
    let one = |path: PathBuf| match fs::metadata(&path) {
        Ok(about) => Ok((path, about.modified().ok(), about.len())),
        Err(error) => Err(FilesError::Read { path, error }),
    };
    files.into_iter().map(one).collect()
}

fn is_ours(file: &Path) -> bool {
    let ending = file.extension().and_then(|ending| ending.to_str());
    matches!(ending, Some("yaml" | "yml" | "json")) && file.is_file()
}

fn rules(seen: &Look) -> Result<Rules, FilesError> {
    let text = |(path, ..): &(PathBuf, Option<SystemTime>, u64)| match fs::read_to_string(path) {
        Ok(text) => Ok(Text { name: path.display().to_string(), text }),
        Err(error) => Err(FilesError::Read { path: path.clone(), error }),
    };
    let texts: Vec<_> = seen.iter().map(text).collect::<Result<_, _>>()?;
    read(&texts).map_err(FilesError::Invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_is_read_again_and_a_broken_one_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("shop.yaml");
        fs::write(&file, "domain: shop").unwrap();
        fs::write(folder.path().join("notes.txt"), "not ours").unwrap();
        let (mut files, rules) = Files::read(&[folder.path().to_owned()]).unwrap();
        assert_eq!(rules.domains().collect::<Vec<_>>(), ["shop"]);
        assert!(files.changed().unwrap().is_none());
        fs::write(&file, "domain: other # longer").unwrap();
        assert_eq!(files.changed().unwrap().unwrap().domains().collect::<Vec<_>>(), ["other"]);
        fs::write(&file, "domain: [1]").unwrap();
        assert!(files.changed().unwrap_err().to_string().contains("domain is a list"));
        assert!(files.changed().unwrap().is_none(), "it is said once");
        fs::remove_file(&file).unwrap();
        assert_eq!(files.changed().unwrap().unwrap().domains().count(), 0);
    }
}
