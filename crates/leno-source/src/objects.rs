//! The objects that the mesh is made of.

use std::collections::BTreeMap;

use leno_manifest::{Kind, Manifest, ObjectKey, Typed};

/// The objects that the mesh is made of, each once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Objects(BTreeMap<ObjectKey, Manifest>);

impl Objects {
    /// Puts an object in, in the place of an earlier one of the same key.
    pub fn insert(&mut self, manifest: Manifest) {
        self.0.insert(manifest.key(), manifest);
    }

    /// Takes an object out.
    pub fn remove(&mut self, key: &ObjectKey) -> Option<Manifest> {
        self.0.remove(key)
    }

    /// The object of this key.
    #[must_use]
    pub fn manifest(&self, key: &ObjectKey) -> Option<&Manifest> {
        self.0.get(key)
    }

    /// The object of this type, namespace and name.
    #[must_use]
    pub fn find<T: Typed>(&self, namespace: &str, name: &str) -> Option<&T> {
        let manifest = self.0.get(&ObjectKey::new(T::KIND, namespace, name))?;
        T::of(&manifest.object)
    }

    /// Every object of this type, in the order of namespaces and names.
    pub fn all<T: Typed>(&self) -> impl Iterator<Item = (&Manifest, &T)> {
        self.of_kind(T::KIND).filter_map(|manifest| Some((manifest, T::of(&manifest.object)?)))
    }

    /// Every object of this kind, in the order of namespaces and names.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Manifest> {
        let first = ObjectKey::new(kind, "", "");
        self.0.range(first..).take_while(move |(key, _)| key.kind == kind).map(|(_, manifest)| manifest)
    }

    /// Every object, in the order of kinds, namespaces and names.
    pub fn iter(&self) -> impl Iterator<Item = &Manifest> {
        self.0.values()
    }

    /// How many objects there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no object.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Manifest> for Objects {
    fn from_iter<I: IntoIterator<Item = Manifest>>(manifests: I) -> Self {
        Self(manifests.into_iter().map(|manifest| (manifest.key(), manifest)).collect())
    }
}
