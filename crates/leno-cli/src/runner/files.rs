//! Manifest files: found, read, and watched.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use leno_api::runner::{Change, Happening, ManifestFile};
use leno_manifest::{Object, ObjectKey};
use leno_model::{Invalid, Location};
use notify::{RecursiveMode, Watcher};
use tokio::sync::mpsc;

use super::Runner;

/// Files are read this long after the last change, so that an editor that writes in several steps is read once.
const SETTLE: Duration = Duration::from_millis(60);
/// The largest file that is read.
const LARGEST: u64 = 16 << 20;

/// What manifest files hold.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    /// The objects, each with the folder that its containers run in.
    pub(crate) objects: Vec<(Object, PathBuf)>,
    /// Everything that is wrong.
    pub(crate) invalid: Vec<Invalid>,
    /// What has no effect.
    pub(crate) ignored: Vec<String>,
}

/// The manifest files of these paths, in order: a file as it is, a folder with all its YAML and JSON files at any depth.
///
/// # Errors
/// The first path that cannot be read, and why.
pub(crate) fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, (PathBuf, io::Error)> {
    let mut files = Vec::new();
    for path in paths {
        let with_path = |error| (path.clone(), error);
        if fs::metadata(path).map_err(with_path)?.is_dir() {
            let before = files.len();
            walk(path, &mut files).map_err(with_path)?;
            if files.len() == before {
                return Err((path.clone(), io::Error::other("there is no .yaml, .yml or .json file in it")));
            }
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut entries: Vec<_> = fs::read_dir(folder)?.collect::<io::Result<_>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if path.is_dir() {
            walk(&path, files)?;
        } else if is_manifest(&path) {
            files.push(path);
        }
    }
    Ok(())
}

fn is_manifest(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("yaml" | "yml" | "json"))
}

/// Reads files from disk.
///
/// # Errors
/// The first file that cannot be read, and why.
pub(crate) fn read(files: &[PathBuf]) -> Result<Vec<ManifestFile>, (PathBuf, io::Error)> {
    let read = |path: &PathBuf| {
        let size = fs::metadata(path)?.len();
        if size > LARGEST {
            return Err(io::Error::other(format!("it has {size} bytes, at most {LARGEST} are read")));
        }
        let text = fs::read_to_string(path)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = fs::canonicalize(folder)?;
        Ok(ManifestFile {
            path: path.to_string_lossy().into_owned(),
            text,
            folder: folder.to_string_lossy().into_owned(),
        })
    };
    files.iter().map(|path| read(path).map_err(|error| (path.clone(), error))).collect()
}

/// Reads the objects of files. An object that is written twice is wrong.
pub(crate) fn gather(files: &[ManifestFile]) -> Gathered {
    let mut gathered = Gathered::default();
    let mut seen: BTreeMap<ObjectKey, Location> = BTreeMap::new();
    for file in files {
        let reading = leno_manifest::read(&file.path, &file.text);
        gathered.invalid.extend(reading.invalid);
        gathered.ignored.extend(reading.ignored.iter().map(ToString::to_string));
        for manifest in reading.manifests {
            gathered.invalid.extend(manifest.check_local());
            if let Some(first) = seen.insert(manifest.key(), manifest.location.clone()) {
                let fix = format!("the other one is at {first}; remove one of them");
                gathered.invalid.push(manifest.invalid(
                    "metadata.name",
                    "a name that no other object of its kind has",
                    fix,
                ));
                continue;
            }
            gathered.objects.push(((*manifest.object).clone(), file.folder.clone().into()));
        }
    }
    gathered
}

/// Everything in these paths, read and gathered.
///
/// # Errors
/// Everything that is wrong, in words for people.
pub(crate) fn load(paths: &[PathBuf]) -> Result<Gathered, Vec<String>> {
    let text = |(path, error): (PathBuf, io::Error)| vec![format!("{}: {error}", path.display())];
    let files = read(&find(paths).map_err(text)?).map_err(text)?;
    let gathered = gather(&files);
    if gathered.invalid.is_empty() {
        Ok(gathered)
    } else {
        Err(gathered.invalid.iter().map(ToString::to_string).collect())
    }
}

/// Reads the watched files into the store; when anything is wrong with them, the store stays as it is.
pub(crate) fn reload(runner: &Runner) {
    let loaded = load(&runner.settings.paths);
    let changes = runner.edit(|state| match loaded {
        Ok(gathered) => {
            state.file_problems.clear();
            state.store.replace_files(gathered.objects)
        }
        Err(problems) => {
            state.file_problems = problems;
            Vec::new()
        }
    });
    for change in changes.into_iter().filter(|change| change.change != Change::Unchanged) {
        runner.events.tell(Happening::Object(change));
    }
}

/// Reads the watched files again whenever they change, until the mesh ends.
pub(crate) async fn watch(runner: Arc<Runner>) {
    let (sender, mut changes) = mpsc::channel(1);
    let tell = move |event: notify::Result<notify::Event>| {
        let matters = event.is_ok_and(|event| !event.kind.is_access());
        if matters {
            // A full channel says it already.
            sender.try_send(()).ok();
        }
    };
    let watcher = notify::recommended_watcher(tell).and_then(|mut watcher| {
        for (path, mode) in watched(&runner.settings.paths) {
            watcher.watch(&path, mode)?;
        }
        Ok(watcher)
    });
    let _watcher = match watcher {
        Ok(watcher) => watcher,
        Err(error) => {
            runner.events.warn(format!("the manifests are not watched, changes have no effect: {error}"));
            return;
        }
    };
    // What was written between the first reading and the start of watching.
    reload(&runner);
    while changes.recv().await.is_some() {
        while tokio::time::timeout(SETTLE, changes.recv()).await.is_ok_and(|more| more.is_some()) {}
        reload(&runner);
    }
}

/// What to watch: folders as they are; of a file its folder, because editors replace files by new ones.
fn watched(paths: &[PathBuf]) -> BTreeSet<(PathBuf, RecursiveMode)> {
    let mut watched = BTreeMap::new();
    for path in paths {
        let (folder, mode) = if path.is_dir() {
            (path.clone(), RecursiveMode::Recursive)
        } else {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            (folder.map_or_else(|| PathBuf::from("."), Path::to_owned), RecursiveMode::NonRecursive)
        };
        let known = watched.entry(folder).or_insert(mode);
        if mode == RecursiveMode::Recursive {
            *known = mode;
        }
    }
    watched.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> ManifestFile {
        ManifestFile { path: path.into(), text: text.into(), folder: "/tmp".into() }
    }

    const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: shop}\ndata: {k: v}\n";

    #[test]
    fn the_same_object_twice_is_wrong_and_both_places_are_named() {
        let gathered = gather(&[file("one.yaml", MAP), file("two.yaml", MAP)]);
        assert_eq!(gathered.objects.len(), 1);
        let text = gathered.invalid[0].to_string();
        assert!(text.starts_with("two.yaml:") && text.contains("one.yaml:1"), "{text}");
    }

    #[test]
    fn folders_are_walked_in_order_without_hidden_files() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.yaml", "a.yml", ".hidden.yaml", "notes.txt", "sub/c.json"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, MAP).unwrap();
        }
        let names: Vec<_> = find(&[folder.path().to_owned()])
            .unwrap()
            .iter()
            .map(|path| path.strip_prefix(folder.path()).unwrap().to_string_lossy().into_owned())
            .collect();
        assert_eq!(names, ["a.yml", "b.yaml", "sub/c.json"]);
    }
}
