//! Every object as a file, for the control plane to watch: `<Kind>/<namespace>/<name>.json`, each written whole by an
//! atomic rename.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use leno_manifest::{Kind, Object, ObjectKey};

/// The directory of objects.
#[derive(Debug)]
pub(crate) struct Mirror {
    directory: PathBuf,
    written: BTreeMap<ObjectKey, Vec<u8>>,
}

impl Mirror {
    /// An empty directory.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn new(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        Ok(Self { directory: directory.to_owned(), written: BTreeMap::new() })
    }

    /// Makes the directory show exactly these objects. What is unchanged is not touched.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(crate) fn show(&mut self, objects: &BTreeMap<ObjectKey, Object>) -> io::Result<()> {
        let gone: Vec<ObjectKey> = self.written.keys().filter(|key| !objects.contains_key(key)).cloned().collect();
        for key in gone {
            self.written.remove(&key);
            fs::remove_file(self.file(&key))
                .or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })?;
        }
        // The control plane has no use for secrets, so it is not shown any.
        for (key, object) in objects.iter().filter(|(key, _)| key.kind != Kind::Secret) {
            let text = serde_json::to_vec(&object.to_json())?;
            if self.written.get(key) == Some(&text) {
                continue;
            }
            let file = self.file(key);
            let fresh = file.with_extension("json.new");
            if let Some(folder) = file.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(&fresh, &text)?;
            fs::rename(&fresh, &file)?;
            self.written.insert(key.clone(), text);
        }
        Ok(())
    }

    fn file(&self, key: &ObjectKey) -> PathBuf {
        let namespace = if key.namespace.is_empty() { "_" } else { &key.namespace };
        // Names of objects have no slash; what reads manifests has made sure of it. Their dots are not extensions.
        self.directory.join(key.kind.unique_name()).join(namespace).join(format!("{}.json", key.name))
    }
}

#[cfg(test)]
mod tests {
    use leno_manifest::core::ConfigMap;

    use super::*;

    #[test]
    fn files_come_change_and_go_with_objects() {
        let folder = tempfile::tempdir().unwrap();
        let mut mirror = Mirror::new(folder.path()).unwrap();
        let mut map = ConfigMap::default();
        map.metadata.name = "a.b".into();
        map.metadata.namespace = "shop".into();
        let object = Object::from(map);
        mirror.show(&BTreeMap::from([(object.key(), object.clone())])).unwrap();
        let file = folder.path().join("ConfigMap/shop/a.b.json");
        let read: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        assert_eq!(read["kind"], "ConfigMap");
        mirror.show(&BTreeMap::new()).unwrap();
        assert!(!file.exists());
    }
}
