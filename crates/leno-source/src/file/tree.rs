//! Files of manifests, read anew only when they change.
//!
//! Of an object that is broken by an edit the last good version is kept; an object that is gone from its file is gone.
//! When a document cannot be read as an object at all, nobody knows which objects it stood for: then all that the file
//! had are kept.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs, io,
    io::Read,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use leno_manifest::{Ignored, Manifest, ObjectKey, read};
use leno_model::{Invalid, Location, ObjectRef};

use crate::Contents;

/// How deep directories may be nested.
const MAX_DEPTH: usize = 16;
/// The most files that are read.
const MAX_FILES: usize = 100_000;
/// The longest file that is read, in bytes.
const MAX_BYTES: u64 = 16 << 20;
/// The names of files that are read.
const EXTENSIONS: &[&str] = &["yaml", "yml", "json"];

/// Files of manifests, as last read.
#[derive(Debug)]
pub struct Tree {
    roots: Vec<PathBuf>,
    files: BTreeMap<PathBuf, File>,
    /// Directories that could not be read at the last look.
    unreadable: Vec<Invalid>,
}

/// What a file is known by: when none of it changed, the file is taken to be as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// A file, as last read.
#[derive(Debug)]
struct File {
    stamp: Stamp,
    kept: BTreeMap<ObjectKey, Kept>,
    invalid: Vec<Invalid>,
    ignored: Vec<Ignored>,
}

/// An object of a file.
#[derive(Clone, Debug)]
struct Kept {
    manifest: Manifest,
    /// Whether this is a version from before the file was broken.
    stale: bool,
}

/// What is found at a look at the directories, contents apart.
#[derive(Default)]
struct Look {
    files: BTreeMap<PathBuf, Stamp>,
    failed: Vec<(PathBuf, io::Error)>,
    visited: HashSet<(u64, u64)>,
}

impl Tree {
    /// The files below these directories, and these files; nothing is read yet.
    #[must_use]
    pub fn new(roots: Vec<PathBuf>) -> Self {
        Self { roots, files: BTreeMap::new(), unreadable: Vec::new() }
    }

    /// Looks at every file and reads those that changed, and `touched` ones in any case. Tells whether anything did.
    pub fn refresh(&mut self, touched: &HashSet<PathBuf>) -> bool {
        let mut look = Look::default();
        for root in &self.roots {
            look.visit(root, 0, true);
        }
        let Look { files: found, failed, .. } = look;
        // What lies in a directory that cannot be read now may still be there.
        let hidden = |path: &Path| failed.iter().any(|(failed, _)| path.starts_with(failed));
        let before = self.files.len();
        self.files.retain(|path, _| found.contains_key(path) || hidden(path));
        let mut changed = self.files.len() != before;
        let unreadable: Vec<_> = failed.iter().map(|(path, error)| unreadable(path, error)).collect();
        changed |= unreadable != self.unreadable;
        self.unreadable = unreadable;
        for (path, stamp) in found {
            let known = self.files.get(&path);
            if known.is_some_and(|file| file.stamp == stamp) && !touched.contains(&path) {
                continue;
            }
            match contents(&path) {
                Ok(text) => {
                    let file = File::read(&path, stamp, &text, self.files.get(&path));
                    self.files.insert(path, file);
                }
                // It was there a moment ago; its end is no error.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.files.remove(&path);
                }
                Err(error) => {
                    let file = File::unread(&path, stamp, &error, self.files.get(&path));
                    self.files.insert(path, file);
                }
            }
            changed = true;
        }
        changed
    }

    /// All that the files say. Of an object in two files the one whose file comes first by name counts, but one that is
    /// written now before one that is kept from earlier.
    #[must_use]
    pub fn contents(&self) -> Contents {
        let mut contents = Contents { invalid: self.unreadable.clone(), ..Contents::default() };
        let mut places: HashMap<&ObjectKey, &Kept> = HashMap::new();
        for file in self.files.values() {
            contents.invalid.extend(file.invalid.iter().cloned());
            contents.ignored.extend(file.ignored.iter().cloned());
            for (key, kept) in &file.kept {
                match places.get(key).copied() {
                    None => {
                        places.insert(key, kept);
                    }
                    Some(first) if first.stale && !kept.stale => {
                        places.insert(key, kept);
                    }
                    Some(first) if !kept.stale => contents.invalid.push(repeated(&first.manifest, &kept.manifest)),
                    Some(_) => {}
                }
            }
        }
        for (key, kept) in places {
            if kept.stale {
                contents.stale.insert(key.clone());
            }
            contents.objects.insert(kept.manifest.clone());
        }
        contents
    }
}

/// The same object in a second file.
fn repeated(first: &Manifest, second: &Manifest) -> Invalid {
    let Location { file, line, .. } = &first.location;
    let mut invalid = second.invalid("", "an object once", "remove one of the two, or name it otherwise");
    invalid.value = format!("the same object again as in {file}:{line}, which counts");
    invalid
}

fn unreadable(path: &Path, error: &io::Error) -> Invalid {
    Invalid {
        location: Some(Location { file: path.display().to_string(), line: 1, column: 1 }),
        object: None,
        field: String::new(),
        value: format!("not readable ({error})"),
        expected: "a readable file or directory".into(),
        fix: "what was read before stays in force".into(),
    }
}

fn contents(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_BYTES) {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("longer than {MAX_BYTES} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not UTF-8"))
}

impl File {
    fn read(path: &Path, stamp: Stamp, text: &str, before: Option<&Self>) -> Self {
        let reading = read(&path.display().to_string(), text);
        let now = reading.manifests.into_iter().map(|manifest| (manifest.key(), Kept { manifest, stale: false }));
        let mut kept: BTreeMap<_, _> = now.collect();
        let broken: HashSet<&ObjectRef> = reading.invalid.iter().filter_map(|it| it.object.as_ref()).collect();
        let unknown = reading.invalid.iter().any(|it| it.object.is_none());
        for (key, earlier) in before.iter().flat_map(|file| &file.kept) {
            if !kept.contains_key(key) && (unknown || broken.contains(&ObjectRef::from(key))) {
                kept.insert(key.clone(), Kept { manifest: earlier.manifest.clone(), stale: true });
            }
        }
        Self { stamp, kept, invalid: reading.invalid, ignored: reading.ignored }
    }

    fn unread(path: &Path, stamp: Stamp, error: &io::Error, before: Option<&Self>) -> Self {
        let earlier = before.iter().flat_map(|file| &file.kept);
        let stale =
            |(key, kept): (&ObjectKey, &Kept)| (key.clone(), Kept { manifest: kept.manifest.clone(), stale: true });
        Self { stamp, kept: earlier.map(stale).collect(), invalid: vec![unreadable(path, error)], ignored: Vec::new() }
    }
}

impl Look {
    /// Looks at a path; symbolic links are followed. Names that begin with a dot are passed over: editors and mounted
    /// ConfigMaps (`..data`) keep there what is not to be read by that name.
    fn visit(&mut self, path: &Path, depth: usize, is_root: bool) {
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !is_root => return,
            Err(error) => {
                self.failed.push((path.to_owned(), error));
                return;
            }
        };
        if metadata.is_dir() {
            if self.visited.insert((metadata.dev(), metadata.ino())) {
                self.visit_directory(path, depth);
            }
            return;
        }
        let known = path.extension().and_then(|it| it.to_str()).is_some_and(|it| EXTENSIONS.contains(&it));
        if !metadata.is_file() || !(known || is_root) {
            return;
        }
        if self.files.len() >= MAX_FILES {
            let error = io::Error::other(format!("more than {MAX_FILES} files"));
            self.failed.push((path.to_owned(), error));
            return;
        }
        self.files.insert(path.to_owned(), Stamp::of(&metadata));
    }

    fn visit_directory(&mut self, path: &Path, depth: usize) {
        if depth >= MAX_DEPTH {
            self.failed.push((path.to_owned(), io::Error::other(format!("nested deeper than {MAX_DEPTH} levels"))));
            return;
        }
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound && depth > 0 => return,
            Err(error) => {
                self.failed.push((path.to_owned(), error));
                return;
            }
        };
        for entry in entries {
            match entry {
                Ok(entry) if entry.file_name().as_encoded_bytes().starts_with(b".") => {}
                Ok(entry) => self.visit(&entry.path(), depth + 1, false),
                Err(error) => self.failed.push((path.to_owned(), error)),
            }
        }
    }
}

impl Stamp {
    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}
