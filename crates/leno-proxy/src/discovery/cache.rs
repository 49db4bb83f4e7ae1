//! What the control plane said, on disk: a sidecar that restarts while the control plane is away serves with what it
//! knew. One file a resource, readable by its owner alone; keys and certificates are never among them.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use leno_model::resource_name;
use leno_proto::{google::protobuf::Any, resource};
use leno_xds::ResourceType;
use prost::Message as _;

use crate::config::{Key, source::SourceId};

/// How long a resource is kept that nobody asks for.
pub(crate) const KEEP: Duration = Duration::from_secs(7 * 24 * 3600);

/// What is known of a resource.
#[derive(Clone, Debug, PartialEq)]
pub enum Known {
    /// This is it.
    Is(Any),
    /// There is none.
    Absent,
}

/// The folder of known resources. Without one nothing is kept.
#[derive(Clone, Debug, Default)]
pub struct Cache {
    folder: Option<PathBuf>,
}

impl Cache {
    /// The cache in a state directory.
    ///
    /// # Errors
    /// When its folders cannot be made.
    pub fn open(state: Option<&Path>) -> io::Result<Self> {
        let Some(state) = state else {
            return Ok(Self::default());
        };
        let folder = state.join("resources");
        for kind in ResourceType::ALL {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder.join(resource_folder(kind)))?;
        }
        let cache = Self { folder: Some(folder) };
        cache.prune();
        Ok(cache)
    }

    /// Forgets what no process has written for long: destinations that were in use when an earlier one ended, and have
    /// not been dialled since.
    fn prune(&self) {
        let folders = ResourceType::ALL.map(resource_folder);
        let files = folders.iter().filter_map(|kind| fs::read_dir(self.folder.as_ref()?.join(kind)).ok());
        for file in files.flatten().flatten() {
            let modified = file.metadata().and_then(|data| data.modified());
            let old = modified.is_ok_and(|time| time.elapsed().is_ok_and(|age| age > KEEP));
            if old {
                // Another process may have been faster.
                drop(fs::remove_file(file.path()));
            }
        }
    }

    /// What is known of a resource.
    #[must_use]
    pub fn read(&self, key: &Key) -> Option<Known> {
        let bytes = fs::read(self.path(key)?).ok()?;
        if bytes.is_empty() {
            return Some(Known::Absent);
        }
        Any::decode(bytes.as_slice()).ok().map(Known::Is)
    }

    /// Keeps what is known of a resource. A disk that is full is logged and otherwise ignored: the cache is a help.
    pub fn write(&self, key: &Key, known: &Known) {
        let Some(path) = self.path(key) else {
            return;
        };
        let bytes = match known {
            Known::Is(body) => body.encode_to_vec(),
            Known::Absent => Vec::new(),
        };
        if let Err(error) = replace(&path, &bytes) {
            tracing::warn!(%error, path = %path.display(), "cannot keep a resource");
        }
    }

    /// Forgets a resource that nobody wants any more.
    pub fn forget(&self, key: &Key) {
        if let Some(path) = self.path(key) {
            // It may never have been kept.
            drop(fs::remove_file(path));
        }
    }

    /// The file of a resource: its name with all but the harmless characters written as `%XX`. Secrets have none: they may
    /// be keys. The mesh's roots are not. What has a source of its own has none either.
    fn path(&self, key: &Key) -> Option<PathBuf> {
        let may_be_key = key.kind == ResourceType::Secret && *key.name != *resource_name::TRUST_BUNDLE;
        (key.source == SourceId::COMMON && !may_be_key).then_some(())?;
        let mut file = String::with_capacity(key.name.len());
        for byte in key.name.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
                file.push(char::from(byte));
            } else {
                file.push_str(&format!("%{byte:02X}"));
            }
        }
        // Longer ones cannot be file names.
        (file.len() <= 240).then_some(())?;
        Some(self.folder.as_ref()?.join(resource_folder(key.kind)).join(file))
    }
}

/// The folder of a type.
fn resource_folder(kind: ResourceType) -> &'static str {
    resource::short_name(kind.url())
}

/// Replaces a file as a whole.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(bytes)?;
    drop(file);
    fs::rename(&fresh, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_kept_can_be_read_back_by_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(Some(folder.path())).unwrap();
        let name = "outbound/../shop/cart:80";
        let known = Known::Is(Any { type_url: "t".into(), value: vec![1, 2] });
        assert_eq!(cache.read(&Key::common(ResourceType::Cluster, name)), None);
        cache.write(&Key::common(ResourceType::Cluster, name), &known);
        assert_eq!(cache.read(&Key::common(ResourceType::Cluster, name)), Some(known));
        assert_eq!(cache.read(&Key::common(ResourceType::Listener, name)), None);
        cache.write(&Key::common(ResourceType::Cluster, name), &Known::Absent);
        assert_eq!(cache.read(&Key::common(ResourceType::Cluster, name)), Some(Known::Absent));
        let path = cache.path(&Key::common(ResourceType::Cluster, name)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        cache.forget(&Key::common(ResourceType::Cluster, name));
        assert_eq!(cache.read(&Key::common(ResourceType::Cluster, name)), None);
    }

    #[test]
    fn keys_are_never_kept() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(Some(folder.path())).unwrap();
        for (name, kept) in [("key", false), (resource_name::TRUST_BUNDLE, true)] {
            cache.write(&Key::common(ResourceType::Secret, name), &Known::Is(Any::default()));
            assert_eq!(cache.read(&Key::common(ResourceType::Secret, name)).is_some(), kept, "{name}");
        }
    }

    #[test]
    fn without_a_folder_nothing_is_kept() {
        let cache = Cache::open(None).unwrap();
        cache.write(&Key::common(ResourceType::Cluster, "a"), &Known::Absent);
        assert_eq!(cache.read(&Key::common(ResourceType::Cluster, "a")), None);
    }
}
