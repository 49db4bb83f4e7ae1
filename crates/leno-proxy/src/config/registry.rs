//! Which resources are in use, by name: the control thread's table of weak handles.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use leno_engine::balance::Locality;

use super::{Cluster, EndpointSet, Listener, Routes, Slot};

/// The kinds of resources that are fetched by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ResourceKind {
    /// Listeners.
    Listener,
    /// Route configurations.
    Routes,
    /// Clusters.
    Cluster,
    /// Cluster load assignments.
    Endpoints,
}

/// The slots of one kind.
type Table<T> = HashMap<Arc<str>, Weak<Slot<T>>>;

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
    /// Where this process is, and what it is one of.
    pub node: Node,
    /// Slots made since [`Self::take_wanted`] was last called.
    wanted: Vec<(ResourceKind, Arc<str>)>,
}

impl Registry {
    /// The slot of a listener, made (and so subscribed) if nobody has it.
    pub fn listener(&mut self, name: &str) -> Arc<Slot<Listener>> {
        slot(&mut self.listeners, &mut self.wanted, ResourceKind::Listener, name)
    }

    /// The slot of a route configuration, made (and so subscribed) if nobody has it.
    pub fn routes(&mut self, name: &str) -> Arc<Slot<Routes>> {
        slot(&mut self.routes, &mut self.wanted, ResourceKind::Routes, name)
    }

    /// The slot of a cluster, made (and so subscribed) if nobody has it.
    pub fn cluster(&mut self, name: &str) -> Arc<Slot<Cluster>> {
        slot(&mut self.clusters, &mut self.wanted, ResourceKind::Cluster, name)
    }

    /// The slot of a cluster's endpoints, made (and so subscribed) if nobody has it.
    pub fn endpoints(&mut self, name: &str) -> Arc<Slot<EndpointSet>> {
        slot(&mut self.endpoints, &mut self.wanted, ResourceKind::Endpoints, name)
    }

    /// The slot of a listener that somebody has.
    #[must_use]
    pub fn find_listener(&self, name: &str) -> Option<Arc<Slot<Listener>>> {
        self.listeners.get(name)?.upgrade()
    }

    /// The slot of a route configuration that somebody has.
    #[must_use]
    pub fn find_routes(&self, name: &str) -> Option<Arc<Slot<Routes>>> {
        self.routes.get(name)?.upgrade()
    }

    /// The slot of a cluster that somebody has.
    #[must_use]
    pub fn find_cluster(&self, name: &str) -> Option<Arc<Slot<Cluster>>> {
        self.clusters.get(name)?.upgrade()
    }

    /// The slot of endpoints that somebody has.
    #[must_use]
    pub fn find_endpoints(&self, name: &str) -> Option<Arc<Slot<EndpointSet>>> {
        self.endpoints.get(name)?.upgrade()
    }

    /// Every cluster in use.
    pub fn clusters(&self) -> impl Iterator<Item = Arc<Slot<Cluster>>> + '_ {
        self.clusters.values().filter_map(Weak::upgrade)
    }

    /// Every route configuration in use.
    pub fn all_routes(&self) -> impl Iterator<Item = Arc<Slot<Routes>>> + '_ {
        self.routes.values().filter_map(Weak::upgrade)
    }

    /// Every load assignment in use.
    pub fn all_endpoints(&self) -> impl Iterator<Item = Arc<Slot<EndpointSet>>> + '_ {
        self.endpoints.values().filter_map(Weak::upgrade)
    }

    /// Every listener in use.
    pub fn listeners(&self) -> impl Iterator<Item = Arc<Slot<Listener>>> + '_ {
        self.listeners.values().filter_map(Weak::upgrade)
    }

    /// The slots made since this was last called: to be subscribed.
    pub fn take_wanted(&mut self) -> Vec<(ResourceKind, Arc<str>)> {
        std::mem::take(&mut self.wanted)
    }

    /// Forgets what nobody holds any more and returns it: to be unsubscribed.
    pub fn sweep(&mut self) -> Vec<(ResourceKind, Arc<str>)> {
        let mut gone = Vec::new();
        sweep(&mut self.listeners, ResourceKind::Listener, &mut gone);
        sweep(&mut self.routes, ResourceKind::Routes, &mut gone);
        sweep(&mut self.clusters, ResourceKind::Cluster, &mut gone);
        sweep(&mut self.endpoints, ResourceKind::Endpoints, &mut gone);
        gone
    }
}

/// The slot with this name; a new one is noted in `wanted`.
fn slot<T>(
    table: &mut Table<T>,
    wanted: &mut Vec<(ResourceKind, Arc<str>)>,
    kind: ResourceKind,
    name: &str,
) -> Arc<Slot<T>> {
    if let Some(slot) = table.get(name).and_then(Weak::upgrade) {
        return slot;
    }
    let slot = Slot::pending(name);
    table.insert(Arc::clone(slot.name()), Arc::downgrade(&slot));
    wanted.push((kind, Arc::clone(slot.name())));
    slot
}

/// Takes the dead handles out of one table.
fn sweep<T>(table: &mut Table<T>, kind: ResourceKind, gone: &mut Vec<(ResourceKind, Arc<str>)>) {
    table.retain(|name, slot| {
        let used = slot.strong_count() > 0;
        if !used {
            gone.push((kind, Arc::clone(name)));
        }
        used
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
        assert_eq!(registry.take_wanted(), [(ResourceKind::Cluster, "a".into())]);
        assert!(registry.sweep().is_empty());
        drop((first, second));
        assert_eq!(registry.sweep(), [(ResourceKind::Cluster, "a".into())]);
        assert!(registry.find_cluster("a").is_none());
    }
}
