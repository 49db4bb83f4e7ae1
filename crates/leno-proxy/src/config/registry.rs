//! Which resources are in use, by name: the control thread's table.
//!
//! A slot that nobody else holds stays until the next sweep, and with it what is in it: whoever wants it again meanwhile need
//! not ask for it, which not every control plane would answer.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use leno_engine::balance::Locality;
use leno_xds::ResourceType;

use super::{
    Cluster, EndpointSet, Listener, Routes, Secret, Slot, SlotState,
    source::{Fetch, Source, SourceId},
    watch::Files,
};

/// Which resource: its type, where it comes from, and its name there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Its type.
    pub kind: ResourceType,
    /// Where it comes from.
    pub source: SourceId,
    /// Its name.
    pub name: Arc<str>,
}

impl Key {
    /// A resource of the common source.
    #[must_use]
    pub fn common(kind: ResourceType, name: &str) -> Self {
        Self { kind, source: SourceId::COMMON, name: name.into() }
    }

    /// What is in a slot.
    #[must_use]
    pub fn of<T>(kind: ResourceType, slot: &Slot<T>) -> Self {
        Self { kind, source: slot.source(), name: Arc::clone(slot.name()) }
    }
}

/// What has to be asked for, and for how long it is waited for; `None`: for ever.
pub type Wish = (Key, Option<Duration>);

/// The slots of one kind, by name and source.
type Table<T> = HashMap<Arc<str>, Few<T>>;

/// The slots of one name: there is hardly ever more than one.
type Few<T> = Vec<Arc<Slot<T>>>;

/// What makes a source the same as another one: the type that is asked for, and its message.
type SourceKey = (ResourceType, Vec<u8>);

/// Where this process is, and what it is one of.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// Its place (`node.locality`).
    pub here: Locality,
    /// The cluster whose endpoints are this process and its like (`cluster_manager.local_cluster_name`).
    pub cluster: Option<Box<str>>,
}

/// Every slot in use. Owned by the control thread; conversion asks it for the slots that a resource refers to.
#[derive(Debug, Default)]
pub struct Registry {
    /// Listeners.
    listeners: Table<Listener>,
    /// Route configurations.
    routes: Table<Routes>,
    /// Clusters.
    clusters: Table<Cluster>,
    /// Endpoints.
    endpoints: Table<EndpointSet>,
    /// Secrets.
    secrets: Table<Secret>,
    /// Files that secrets come from.
    files: Files,
    /// Where this process is, and what it is one of.
    pub node: Node,
    /// Clusters of the file whose endpoints are known with it: these can be asked for resources.
    primary: HashSet<Box<str>>,
    /// Sources of their own, as long as something comes from them.
    sources: HashMap<SourceKey, (SourceId, Arc<Source>)>,
    /// The last one that was given.
    last_source: SourceId,
    /// Slots made since [`Self::take_wanted`] was last called.
    wanted: Vec<Wish>,
}

impl Registry {
    /// The slot of a listener, made (and so subscribed) if there is none.
    pub fn listener(&mut self, name: &str) -> Arc<Slot<Listener>> {
        slot(&mut self.listeners, &mut self.wanted, ResourceType::Listener, name, Fetch::default())
    }

    /// The slot of a route configuration, made (and so subscribed) if there is none.
    pub fn routes(&mut self, name: &str, fetch: Fetch) -> Arc<Slot<Routes>> {
        slot(&mut self.routes, &mut self.wanted, ResourceType::Route, name, fetch)
    }

    /// The slot of a cluster, made (and so subscribed) if there is none.
    pub fn cluster(&mut self, name: &str) -> Arc<Slot<Cluster>> {
        slot(&mut self.clusters, &mut self.wanted, ResourceType::Cluster, name, Fetch::default())
    }

    /// The slot of a cluster's endpoints, made (and so subscribed) if there is none.
    pub fn endpoints(&mut self, name: &str, fetch: Fetch) -> Arc<Slot<EndpointSet>> {
        slot(&mut self.endpoints, &mut self.wanted, ResourceType::Endpoint, name, fetch)
    }

    /// The slot of a secret, made (and so subscribed) if there is none.
    pub fn secret(&mut self, name: &str, fetch: Fetch) -> Arc<Slot<Secret>> {
        slot(&mut self.secrets, &mut self.wanted, ResourceType::Secret, name, fetch)
    }

    /// Says which clusters of the file can be asked for resources.
    pub fn set_primary(&mut self, names: impl Iterator<Item = Box<str>>) {
        self.primary = names.collect();
    }

    /// Whether a cluster is one of the file with endpoints of its own.
    pub(super) fn is_primary(&self, name: &str) -> bool {
        self.primary.contains(name)
    }

    /// The number of a source of its own: the same for the same message.
    pub(super) fn source(&mut self, key: (ResourceType, Vec<u8>), source: Source) -> SourceId {
        let last = &mut self.last_source;
        self.sources.entry(key).or_insert_with(|| (last.next(), Arc::new(source))).0
    }

    /// A source of its own.
    #[must_use]
    pub fn find_source(&self, id: SourceId) -> Option<Arc<Source>> {
        self.sources.values().find(|(one, _)| *one == id).map(|(_, source)| Arc::clone(source))
    }

    /// Every source of its own.
    pub fn sources(&self) -> impl Iterator<Item = (SourceId, &Arc<Source>)> {
        self.sources.values().map(|(id, source)| (*id, source))
    }

    /// The files that secrets come from.
    pub(super) fn files(&mut self) -> &mut Files {
        &mut self.files
    }

    /// The slot of a secret that is wanted.
    #[must_use]
    pub fn find_secret(&self, source: SourceId, name: &str) -> Option<Arc<Slot<Secret>>> {
        find(&self.secrets, source, name)
    }

    /// Every secret in use.
    pub fn secrets(&self) -> impl Iterator<Item = Arc<Slot<Secret>>> + '_ {
        self.secrets.values().flatten().cloned()
    }

    /// The slot of a listener that is wanted.
    #[must_use]
    pub fn find_listener(&self, name: &str) -> Option<Arc<Slot<Listener>>> {
        find(&self.listeners, SourceId::COMMON, name)
    }

    /// The slot of a route configuration that is wanted.
    #[must_use]
    pub fn find_routes(&self, source: SourceId, name: &str) -> Option<Arc<Slot<Routes>>> {
        find(&self.routes, source, name)
    }

    /// The slot of a cluster that is wanted.
    #[must_use]
    pub fn find_cluster(&self, name: &str) -> Option<Arc<Slot<Cluster>>> {
        find(&self.clusters, SourceId::COMMON, name)
    }

    /// The slot of endpoints that are wanted.
    #[must_use]
    pub fn find_endpoints(&self, source: SourceId, name: &str) -> Option<Arc<Slot<EndpointSet>>> {
        find(&self.endpoints, source, name)
    }

    /// Every cluster in use.
    pub fn clusters(&self) -> impl Iterator<Item = Arc<Slot<Cluster>>> + '_ {
        self.clusters.values().flatten().cloned()
    }

    /// Every route configuration in use.
    pub fn all_routes(&self) -> impl Iterator<Item = Arc<Slot<Routes>>> + '_ {
        self.routes.values().flatten().cloned()
    }

    /// Every load assignment in use.
    pub fn all_endpoints(&self) -> impl Iterator<Item = Arc<Slot<EndpointSet>>> + '_ {
        self.endpoints.values().flatten().cloned()
    }

    /// Every listener in use.
    pub fn listeners(&self) -> impl Iterator<Item = Arc<Slot<Listener>>> + '_ {
        self.listeners.values().flatten().cloned()
    }

    /// Whether somebody refers to a resource that is there.
    #[must_use]
    pub fn serves(&self, key: &Key) -> bool {
        match key.kind {
            ResourceType::Listener => serves(&self.listeners, key),
            ResourceType::Route => serves(&self.routes, key),
            ResourceType::Cluster => serves(&self.clusters, key),
            ResourceType::Endpoint => serves(&self.endpoints, key),
            ResourceType::Secret => serves(&self.secrets, key),
        }
    }

    /// What is known of a resource; `None` when nobody wants it.
    #[must_use]
    pub fn state(&self, key: &Key) -> Option<SlotState> {
        match key.kind {
            ResourceType::Listener => state(&self.listeners, key),
            ResourceType::Route => state(&self.routes, key),
            ResourceType::Cluster => state(&self.clusters, key),
            ResourceType::Endpoint => state(&self.endpoints, key),
            ResourceType::Secret => state(&self.secrets, key),
        }
    }

    /// Records that a resource is not there.
    pub fn set_absent(&self, key: &Key) {
        match key.kind {
            ResourceType::Listener => set_absent(&self.listeners, key),
            ResourceType::Route => set_absent(&self.routes, key),
            ResourceType::Cluster => set_absent(&self.clusters, key),
            ResourceType::Endpoint => set_absent(&self.endpoints, key),
            ResourceType::Secret => set_absent(&self.secrets, key),
        }
    }

    /// What is wanted and of which nothing is known.
    #[must_use]
    pub fn pending(&self) -> Vec<Key> {
        let mut keys = Vec::new();
        pending(&self.listeners, ResourceType::Listener, &mut keys);
        pending(&self.routes, ResourceType::Route, &mut keys);
        pending(&self.clusters, ResourceType::Cluster, &mut keys);
        pending(&self.endpoints, ResourceType::Endpoint, &mut keys);
        pending(&self.secrets, ResourceType::Secret, &mut keys);
        keys
    }

    /// The slots made since this was last called: to be subscribed.
    pub fn take_wanted(&mut self) -> Vec<Wish> {
        std::mem::take(&mut self.wanted)
    }

    /// Forgets what nobody else holds any more and returns it: to be unsubscribed. What only that refers to goes with it.
    pub fn sweep(&mut self) -> Vec<Key> {
        let mut gone = Vec::new();
        sweep(&mut self.listeners, ResourceType::Listener, &mut gone);
        sweep(&mut self.routes, ResourceType::Route, &mut gone);
        sweep(&mut self.clusters, ResourceType::Cluster, &mut gone);
        sweep(&mut self.endpoints, ResourceType::Endpoint, &mut gone);
        sweep(&mut self.secrets, ResourceType::Secret, &mut gone);
        if !self.sources.is_empty() {
            let routes = self.routes.values().flatten().map(|slot| slot.source());
            let endpoints = self.endpoints.values().flatten().map(|slot| slot.source());
            let secrets = self.secrets.values().flatten().map(|slot| slot.source());
            let used: HashSet<_> = routes.chain(endpoints).chain(secrets).collect();
            self.sources.retain(|_, (id, _)| used.contains(id));
        }
        gone
    }
}

/// The slot with this name; a new one is noted in `wanted`.
fn slot<T>(table: &mut Table<T>, wanted: &mut Vec<Wish>, kind: ResourceType, name: &str, fetch: Fetch) -> Arc<Slot<T>> {
    if let Some(slot) = find(table, fetch.source, name) {
        return slot;
    }
    let slot = Slot::from(fetch.source, name);
    table.entry(Arc::clone(slot.name())).or_default().push(Arc::clone(&slot));
    wanted.push((Key::of(kind, &slot), fetch.within));
    slot
}

fn find<T>(table: &Table<T>, source: SourceId, name: &str) -> Option<Arc<Slot<T>>> {
    table.get(name)?.iter().find(|slot| slot.source() == source).cloned()
}

fn serves<T>(table: &Table<T>, key: &Key) -> bool {
    // The one that was found just now is a handle, too.
    find(table, key.source, &key.name)
        .is_some_and(|slot| Arc::strong_count(&slot) > 2 && slot.state() == SlotState::Ready)
}

fn state<T>(table: &Table<T>, key: &Key) -> Option<SlotState> {
    find(table, key.source, &key.name).map(|slot| slot.state())
}

fn set_absent<T>(table: &Table<T>, key: &Key) {
    find(table, key.source, &key.name).iter().for_each(|slot| slot.set_absent());
}

fn pending<T>(table: &Table<T>, kind: ResourceType, keys: &mut Vec<Key>) {
    let slots = table.values().flatten().filter(|slot| slot.state() == SlotState::Pending);
    keys.extend(slots.map(|slot| Key::of(kind, slot)));
}

/// Takes out of one table what nobody else holds.
fn sweep<T>(table: &mut Table<T>, kind: ResourceType, gone: &mut Vec<Key>) {
    table.retain(|_, slots| {
        slots.retain(|slot| {
            let used = Arc::strong_count(slot) > 1;
            if !used {
                gone.push(Key::of(kind, slot));
            }
            used
        });
        !slots.is_empty()
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_wanted_once_and_swept_when_nobody_holds_it() {
        let mut registry = Registry::default();
        let first = registry.cluster("a");
        let second = registry.cluster("a");
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(registry.take_wanted(), [(Key::common(ResourceType::Cluster, "a"), Some(Fetch::WITHIN))]);
        assert!(registry.sweep().is_empty());
        first.set_absent();
        drop((first, second));
        assert_eq!(registry.cluster("a").state(), SlotState::Absent, "it is as it was");
        assert!(registry.take_wanted().is_empty());
        assert_eq!(registry.sweep(), [Key::common(ResourceType::Cluster, "a")]);
        assert!(registry.find_cluster("a").is_none());
    }

    #[test]
    fn the_same_name_from_another_source_is_another_resource() {
        let mut registry = Registry::default();
        let file = || Source::File("a".into(), Duration::from_secs(1));
        let one = registry.source((ResourceType::Route, vec![1]), file());
        assert_eq!(registry.source((ResourceType::Route, vec![1]), file()), one);
        let other = registry.source((ResourceType::Endpoint, vec![1]), file());
        assert!(one != other && one != SourceId::COMMON);
        let common = registry.routes("r", Fetch::default());
        let own = registry.routes("r", Fetch { source: one, within: None });
        assert!(!Arc::ptr_eq(&common, &own));
        own.set_absent();
        assert_eq!(common.state(), SlotState::Pending);
        registry.sweep();
        assert!(registry.find_source(one).is_some() && registry.find_source(other).is_none());
        drop(own);
        assert_eq!(registry.sweep().len(), 1);
        assert_eq!(registry.sources().count(), 0);
    }
}
