//! Which resources are in use, by name: the control thread's table.
//!
//! A slot that nobody else holds stays until the next sweep, and with it what is in it: whoever wants it again meanwhile need
//! not ask for it, which not every control plane would answer.

use std::{collections::HashMap, sync::Arc};

use leno_engine::balance::Locality;

use super::{Cluster, EndpointSet, Listener, Routes, Secret, Slot, SlotState, watch::Files};

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
    /// Secrets.
    Secret,
}

/// The slots of one kind.
type Table<T> = HashMap<Arc<str>, Arc<Slot<T>>>;

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
    /// Slots made since [`Self::take_wanted`] was last called.
    wanted: Vec<(ResourceKind, Arc<str>)>,
}

impl Registry {
    /// The slot of a listener, made (and so subscribed) if there is none.
    pub fn listener(&mut self, name: &str) -> Arc<Slot<Listener>> {
        slot(&mut self.listeners, &mut self.wanted, ResourceKind::Listener, name)
    }

    /// The slot of a route configuration, made (and so subscribed) if there is none.
    pub fn routes(&mut self, name: &str) -> Arc<Slot<Routes>> {
        slot(&mut self.routes, &mut self.wanted, ResourceKind::Routes, name)
    }

    /// The slot of a cluster, made (and so subscribed) if there is none.
    pub fn cluster(&mut self, name: &str) -> Arc<Slot<Cluster>> {
        slot(&mut self.clusters, &mut self.wanted, ResourceKind::Cluster, name)
    }

    /// The slot of a cluster's endpoints, made (and so subscribed) if there is none.
    pub fn endpoints(&mut self, name: &str) -> Arc<Slot<EndpointSet>> {
        slot(&mut self.endpoints, &mut self.wanted, ResourceKind::Endpoints, name)
    }

    /// The slot of a secret, made (and so subscribed) if there is none.
    pub fn secret(&mut self, name: &str) -> Arc<Slot<Secret>> {
        slot(&mut self.secrets, &mut self.wanted, ResourceKind::Secret, name)
    }

    /// The files that secrets come from.
    pub(super) fn files(&mut self) -> &mut Files {
        &mut self.files
    }

    /// The slot of a secret that is wanted.
    #[must_use]
    pub fn find_secret(&self, name: &str) -> Option<Arc<Slot<Secret>>> {
        self.secrets.get(name).cloned()
    }

    /// Every secret in use.
    pub fn secrets(&self) -> impl Iterator<Item = Arc<Slot<Secret>>> + '_ {
        self.secrets.values().cloned()
    }

    /// The slot of a listener that is wanted.
    #[must_use]
    pub fn find_listener(&self, name: &str) -> Option<Arc<Slot<Listener>>> {
        self.listeners.get(name).cloned()
    }

    /// The slot of a route configuration that is wanted.
    #[must_use]
    pub fn find_routes(&self, name: &str) -> Option<Arc<Slot<Routes>>> {
        self.routes.get(name).cloned()
    }

    /// The slot of a cluster that is wanted.
    #[must_use]
    pub fn find_cluster(&self, name: &str) -> Option<Arc<Slot<Cluster>>> {
        self.clusters.get(name).cloned()
    }

    /// The slot of endpoints that are wanted.
    #[must_use]
    pub fn find_endpoints(&self, name: &str) -> Option<Arc<Slot<EndpointSet>>> {
        self.endpoints.get(name).cloned()
    }

    /// Every cluster in use.
    pub fn clusters(&self) -> impl Iterator<Item = Arc<Slot<Cluster>>> + '_ {
        self.clusters.values().cloned()
    }

    /// Every route configuration in use.
    pub fn all_routes(&self) -> impl Iterator<Item = Arc<Slot<Routes>>> + '_ {
        self.routes.values().cloned()
    }

    /// Every load assignment in use.
    pub fn all_endpoints(&self) -> impl Iterator<Item = Arc<Slot<EndpointSet>>> + '_ {
        self.endpoints.values().cloned()
    }

    /// Every listener in use.
    pub fn listeners(&self) -> impl Iterator<Item = Arc<Slot<Listener>>> + '_ {
        self.listeners.values().cloned()
    }

    /// Whether somebody refers to a resource that is there.
    #[must_use]
    pub fn serves(&self, kind: ResourceKind, name: &str) -> bool {
        match kind {
            ResourceKind::Listener => serves(&self.listeners, name),
            ResourceKind::Routes => serves(&self.routes, name),
            ResourceKind::Cluster => serves(&self.clusters, name),
            ResourceKind::Endpoints => serves(&self.endpoints, name),
            ResourceKind::Secret => serves(&self.secrets, name),
        }
    }

    /// The slots made since this was last called: to be subscribed.
    pub fn take_wanted(&mut self) -> Vec<(ResourceKind, Arc<str>)> {
        std::mem::take(&mut self.wanted)
    }

    /// Forgets what nobody else holds any more and returns it: to be unsubscribed. What only that refers to goes with it.
    pub fn sweep(&mut self) -> Vec<(ResourceKind, Arc<str>)> {
        let mut gone = Vec::new();
        sweep(&mut self.listeners, ResourceKind::Listener, &mut gone);
        sweep(&mut self.routes, ResourceKind::Routes, &mut gone);
        sweep(&mut self.clusters, ResourceKind::Cluster, &mut gone);
        sweep(&mut self.endpoints, ResourceKind::Endpoints, &mut gone);
        sweep(&mut self.secrets, ResourceKind::Secret, &mut gone);
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
    if let Some(slot) = table.get(name) {
        return Arc::clone(slot);
    }
    let slot = Slot::pending(name);
    table.insert(Arc::clone(slot.name()), Arc::clone(&slot));
    wanted.push((kind, Arc::clone(slot.name())));
    slot
}

fn serves<T>(table: &Table<T>, name: &str) -> bool {
    table.get(name).is_some_and(|slot| Arc::strong_count(slot) > 1 && slot.state() == SlotState::Ready)
}

/// Takes out of one table what nobody else holds.
fn sweep<T>(table: &mut Table<T>, kind: ResourceKind, gone: &mut Vec<(ResourceKind, Arc<str>)>) {
    table.retain(|name, slot| {
        let used = Arc::strong_count(slot) > 1;
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
        first.set_absent();
        drop((first, second));
        assert_eq!(registry.cluster("a").state(), SlotState::Absent, "it is as it was");
        assert!(registry.take_wanted().is_empty());
        assert_eq!(registry.sweep(), [(ResourceKind::Cluster, "a".into())]);
        assert!(registry.find_cluster("a").is_none());
    }
}
