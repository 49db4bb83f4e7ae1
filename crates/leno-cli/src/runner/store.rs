//! The objects that people wrote: those of the watched files and those that `leno apply` brought.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use leno_api::runner::{Change, ObjectChange};
use leno_manifest::{Kind, Object, ObjectKey};

/// Where an object was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// In the watched files: it goes when it is no longer written there.
    Files,
    /// By `leno apply`: it goes by `leno delete`.
    Applied,
    /// By Leno, because others need it (a namespace, the account `default`).
    Implied,
}

/// An object as it was written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Written {
    /// The object.
    pub(crate) object: Arc<Object>,
    /// Where it was written.
    pub(crate) origin: Origin,
    /// The folder that its containers run in.
    pub(crate) folder: PathBuf,
}

/// Why an object was not replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotReplaced {
    /// It is not there.
    Gone,
    /// It is not the version that the new one was made from.
    Changed,
}

/// Every object that was written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store {
    objects: BTreeMap<ObjectKey, Written>,
    /// Counts up with every change, for `metadata.resourceVersion`.
    version: u64,
}

impl Store {
    /// Every object.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&ObjectKey, &Written)> {
        self.objects.iter()
    }

    /// The objects of one kind.
    pub(crate) fn of(&self, kind: Kind) -> impl Iterator<Item = &Written> {
        let first = ObjectKey::new(kind, "", "");
        self.objects.range(first..).take_while(move |(key, _)| key.kind == kind).map(|(_, written)| written)
    }

    /// One object.
    pub(crate) fn find(&self, key: &ObjectKey) -> Option<&Written> {
        self.objects.get(key)
    }

    /// Takes an object in.
    pub(crate) fn put(&mut self, object: Object, origin: Origin, folder: &Path) -> ObjectChange {
        let key = object.key();
        let change = match self.objects.get(&key) {
            None => Change::Created,
            Some(known) if is_same(&known.object, &object) && known.folder == folder => Change::Unchanged,
            Some(_) => Change::Configured,
        };
        if change != Change::Unchanged {
            self.version += 1;
            let object = self.stamped(&key, object);
            self.objects.insert(key.clone(), Written { object: Arc::new(object), origin, folder: folder.to_owned() });
        } else if origin == Origin::Applied
            && let Some(known) = self.objects.get_mut(&key)
        {
            known.origin = origin;
        }
        ObjectChange { object: (&key).into(), change }
    }

    /// Puts an object in the place of the version that it was made from, which its `metadata.resourceVersion` names. Where
    /// it was written stays: one of the watched files' objects goes with its file as before.
    pub(crate) fn replace(&mut self, object: Object) -> Result<(ObjectChange, Written), NotReplaced> {
        let key = object.key();
        let known = self.objects.get(&key).ok_or(NotReplaced::Gone)?;
        if known.object.metadata().resource_version != object.metadata().resource_version {
            return Err(NotReplaced::Changed);
        }
        let Written { origin, folder, .. } = known.clone();
        let change = self.put(object, origin, &folder);
        let now = self.objects.get(&key).ok_or(NotReplaced::Gone)?;
        Ok((change, now.clone()))
    }

    /// The object with the metadata that an API server adds.
    fn stamped(&self, key: &ObjectKey, mut object: Object) -> Object {
        let before = self.objects.get(key).map(|written| written.object.metadata().clone());
        let metadata = object.metadata_mut();
        let before = before.unwrap_or_default();
        metadata.uid = before.uid.or_else(|| Some(super::clock::uid()));
        metadata.creation_timestamp = before.creation_timestamp.or_else(|| Some(super::clock::now_text()));
        metadata.generation = Some(before.generation.unwrap_or(0) + 1);
        metadata.resource_version = Some(self.version.to_string());
        object
    }

    /// Removes an object.
    pub(crate) fn remove(&mut self, key: &ObjectKey) -> Option<ObjectChange> {
        self.objects.remove(key)?;
        self.version += 1;
        Some(ObjectChange { object: key.into(), change: Change::Deleted })
    }

    /// Removes a namespace's objects, the namespace included.
    pub(crate) fn remove_namespace(&mut self, namespace: &str) -> Vec<ObjectChange> {
        let keys: Vec<ObjectKey> = self.objects.keys().filter(|key| key.namespace == namespace).cloned().collect();
        let mut changes: Vec<_> = keys.iter().filter_map(|key| self.remove(key)).collect();
        changes.extend(self.remove(&ObjectKey::new(Kind::Namespace, "", namespace)));
        changes
    }

    /// Makes the watched files' objects exactly these.
    pub(crate) fn replace_files(&mut self, objects: Vec<(Object, PathBuf)>) -> Vec<ObjectChange> {
        let kept: BTreeSet<ObjectKey> = objects.iter().map(|(object, _)| object.key()).collect();
        let gone = |(key, written): (&ObjectKey, &Written)| {
            (written.origin == Origin::Files && !kept.contains(key)).then(|| key.clone())
        };
        let gone: Vec<ObjectKey> = self.objects.iter().filter_map(gone).collect();
        let mut changes: Vec<_> = gone.iter().filter_map(|key| self.remove(key)).collect();
        changes.extend(objects.into_iter().map(|(object, folder)| self.put(object, Origin::Files, &folder)));
        changes
    }

    /// Makes what is needed and was not written: namespaces that are lived in, the account `default` of each. Removes
    /// it again when nobody needs it any more.
    pub(crate) fn imply(&mut self) {
        let written = |(_, written): &(&ObjectKey, &Written)| written.origin != Origin::Implied;
        let mut needed: BTreeSet<String> =
            self.objects.iter().filter(written).map(|(key, _)| key.namespace.clone()).collect();
        needed.extend(
            self.of(Kind::Namespace).filter(|it| it.origin != Origin::Implied).map(|it| it.object.name().to_owned()),
        );
        needed.insert("default".into());
        needed.remove("");
        for namespace in &needed {
            let mut space = leno_manifest::core::Namespace::default();
            space.metadata.name.clone_from(namespace);
            space.metadata.labels.insert("kubernetes.io/metadata.name".into(), namespace.clone());
            self.imply_one(space.into());
            let mut account = leno_manifest::core::ServiceAccount::default();
            account.metadata.name = "default".into();
            account.metadata.namespace.clone_from(namespace);
            self.imply_one(account.into());
        }
        let idle = |(key, written): (&ObjectKey, &Written)| {
            let namespace = if key.kind == Kind::Namespace { &key.name } else { &key.namespace };
            (written.origin == Origin::Implied && !needed.contains(namespace)).then(|| key.clone())
        };
        let idle: Vec<ObjectKey> = self.objects.iter().filter_map(idle).collect();
        for key in idle {
            self.remove(&key);
        }
    }

    fn imply_one(&mut self, object: Object) {
        if self.find(&object.key()).is_none() {
            self.put(object, Origin::Implied, Path::new("/"));
        }
    }
}

/// Whether two objects say the same, apart from what the store itself adds.
fn is_same(known: &Object, new: &Object) -> bool {
    let mut known = known.clone();
    let metadata = known.metadata_mut();
    let written = new.metadata();
    metadata.uid.clone_from(&written.uid);
    metadata.creation_timestamp.clone_from(&written.creation_timestamp);
    metadata.generation = written.generation;
    metadata.resource_version.clone_from(&written.resource_version);
    known == *new
}

#[cfg(test)]
mod tests {
    use leno_manifest::core::ConfigMap;

    use super::*;

    fn config_map(name: &str, value: &str) -> Object {
        let mut map = ConfigMap::default();
        map.metadata.name = name.into();
        map.metadata.namespace = "shop".into();
        map.data.insert("key".into(), value.into());
        map.into()
    }

    fn folder() -> PathBuf {
        "/tmp".into()
    }

    #[test]
    fn what_leaves_the_files_leaves_the_store_but_not_what_was_applied() {
        let mut store = Store::default();
        store.replace_files(vec![(config_map("a", "1"), folder()), (config_map("b", "1"), folder())]);
        store.put(config_map("c", "1"), Origin::Applied, &folder());
        let changes = store.replace_files(vec![(config_map("a", "2"), folder())]);
        let words: Vec<_> = changes.iter().map(|it| (it.object.name.as_str(), it.change)).collect();
        assert_eq!(words, [("b", Change::Deleted), ("a", Change::Configured)]);
        assert_eq!(store.of(Kind::ConfigMap).count(), 2);
    }

    #[test]
    fn the_same_object_again_is_unchanged_and_keeps_its_uid() {
        let mut store = Store::default();
        store.put(config_map("a", "1"), Origin::Applied, &folder());
        let uid = |store: &Store| store.of(Kind::ConfigMap).next().unwrap().object.metadata().uid.clone();
        let before = uid(&store);
        assert_eq!(store.put(config_map("a", "1"), Origin::Applied, &folder()).change, Change::Unchanged);
        assert_eq!(store.put(config_map("a", "2"), Origin::Applied, &folder()).change, Change::Configured);
        assert_eq!(uid(&store), before);
    }

    #[test]
    fn only_the_version_that_was_read_is_replaced() {
        let mut store = Store::default();
        store.replace_files(vec![(config_map("a", "1"), folder())]);
        let read = |store: &Store| (*store.of(Kind::ConfigMap).next().unwrap().object).clone();
        let mut mine = config_map("a", "2");
        mine.metadata_mut().resource_version = read(&store).metadata().resource_version.clone();
        let mut theirs = mine.clone();
        theirs.metadata_mut().labels.insert("by".into(), "them".into());
        let (change, written) = store.replace(mine).unwrap();
        assert_eq!((change.change, written.origin), (Change::Configured, Origin::Files));
        assert_eq!(store.replace(theirs).unwrap_err(), NotReplaced::Changed);
        assert!(read(&store).metadata().labels.is_empty());
        assert_eq!(store.replace(config_map("b", "1")).unwrap_err(), NotReplaced::Gone);
    }

    #[test]
    fn namespaces_come_and_go_with_what_lives_in_them() {
        let mut store = Store::default();
        store.put(config_map("a", "1"), Origin::Applied, &folder());
        store.imply();
        let namespaces = |store: &Store| -> Vec<String> {
            store.of(Kind::Namespace).map(|it| it.object.name().to_owned()).collect()
        };
        assert_eq!(namespaces(&store), ["default", "shop"]);
        store.remove(&ObjectKey::new(Kind::ConfigMap, "shop", "a"));
        store.imply();
        assert_eq!(namespaces(&store), ["default"]);
    }
}
