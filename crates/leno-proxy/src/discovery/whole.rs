//! Listeners and clusters that are taken as they come: where a source of all of them is configured, as Envoy takes them,
//! nobody has to ask for one. What the file has itself is not theirs to change.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use leno_xds::ResourceType;
use tokio::sync::watch;

use crate::{
    bootstrap::Fixed,
    config::{Cluster, Listener, Registry, Slot},
    settings::{Bound, Doors},
};

/// All listeners and clusters of a proxy from a file.
#[derive(Debug)]
pub struct Whole {
    /// The file's own.
    fixed: Fixed,
    /// Whether there is a source of listeners.
    takes_listeners: bool,
    /// Whether there is a source of clusters.
    takes_clusters: bool,
    /// Held, so that they are there before a route names them.
    clusters: HashMap<Arc<str>, Arc<Slot<Cluster>>>,
    listeners: BTreeMap<Arc<str>, Opened>,
    /// Told to the workers.
    doors: watch::Sender<Doors>,
}

/// A listener with its sockets.
#[derive(Debug)]
struct Opened {
    slot: Arc<Slot<Listener>>,
    bound: Vec<Arc<Bound>>,
}

impl Whole {
    /// What a file has, and of what there is more; `doors` are those of its own listeners.
    #[must_use]
    pub fn new(fixed: Fixed, takes_listeners: bool, takes_clusters: bool, doors: watch::Sender<Doors>) -> Self {
        let (clusters, listeners) = (HashMap::new(), BTreeMap::new());
        Self { fixed, takes_listeners, takes_clusters, clusters, listeners, doors }
    }

    /// The slots of everything that the file refers to.
    pub(super) fn take_registry(&mut self) -> Registry {
        self.fixed.take_registry()
    }

    /// Whether resources of this type come without being asked for.
    pub(super) fn takes(&self, resource_type: ResourceType) -> bool {
        match resource_type {
            ResourceType::Listener => self.takes_listeners,
            ResourceType::Cluster => self.takes_clusters,
            ResourceType::Secret | ResourceType::Endpoint | ResourceType::Route => false,
        }
    }

    /// Whether the file itself has this one.
    pub(super) fn is_fixed(&self, resource_type: ResourceType, name: &str) -> bool {
        self.fixed.has(resource_type, name)
    }

    /// Keeps a cluster.
    pub(super) fn keep(&mut self, slot: &Arc<Slot<Cluster>>) {
        self.clusters.insert(Arc::clone(slot.name()), Arc::clone(slot));
    }

    /// Opens a listener's sockets, or goes on with those that it has.
    pub(super) fn open(&mut self, slot: Arc<Slot<Listener>>, bound: Vec<Arc<Bound>>) {
        let name = Arc::clone(slot.name());
        self.listeners.insert(name, Opened { slot, bound });
        self.tell();
    }

    /// Lets go of a resource that is there no more.
    pub(super) fn remove(&mut self, resource_type: ResourceType, name: &str) {
        match resource_type {
            ResourceType::Cluster => drop(self.clusters.remove(name)),
            ResourceType::Listener => {
                if self.listeners.remove(name).is_some() {
                    self.tell();
                }
            }
            ResourceType::Secret | ResourceType::Endpoint | ResourceType::Route => {}
        }
    }

    /// The listeners that came, for those who look.
    pub(super) fn listeners(&self) -> impl Iterator<Item = &Arc<Slot<Listener>>> {
        self.fixed.listeners().iter().chain(self.listeners.values().map(|opened| &opened.slot))
    }

    /// An address that another listener has.
    pub(super) fn taken<'a>(&'a self, name: &'a str, bound: &'a [Arc<Bound>]) -> Option<(&'a str, &'a Arc<Bound>)> {
        let others = self.listeners.iter().filter(move |(other, _)| ***other != *name);
        let others = others.flat_map(|(_, opened)| &opened.bound);
        let mut all = self.fixed.bound().iter().chain(others);
        let clash = all.find(|one| bound.iter().any(|own| own.address == one.address));
        clash.map(|one| (&*one.listener.name, one))
    }

    fn tell(&self) {
        let came = self.listeners.values().flat_map(|opened| &opened.bound);
        let all = self.fixed.bound().iter().chain(came).cloned().collect();
        self.doors.send_replace(all);
    }
}
