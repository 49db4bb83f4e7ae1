//! Listeners and clusters that are taken as they come: where a source of all of them is configured, as Envoy takes them,
//! nobody has to ask for one. What the file has itself is not theirs to change.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use leno_runtime::task;
use leno_xds::ResourceType;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use crate::{
    bootstrap::Fixed,
    config::{
        Cluster, DrainRules, FilterChain, Key, Listener, Registry, Slot,
        source::{Dynamic, SourceId},
    },
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
    /// How connections of what is gone are let go of.
    rules: DrainRules,
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
    pub fn new(fixed: Fixed, dynamic: &Dynamic, rules: DrainRules, doors: watch::Sender<Doors>) -> Self {
        let (takes_listeners, takes_clusters) = (dynamic.listeners.is_some(), dynamic.clusters.is_some());
        let (clusters, listeners) = (HashMap::new(), BTreeMap::new());
        Self { fixed, takes_listeners, takes_clusters, clusters, listeners, doors, rules }
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
    pub(super) fn is_fixed(&self, key: &Key) -> bool {
        key.source == SourceId::COMMON && self.fixed.has(key.kind, &key.name)
    }

    /// Keeps a cluster.
    pub(super) fn keep(&mut self, slot: &Arc<Slot<Cluster>>) {
        self.clusters.insert(Arc::clone(slot.name()), Arc::clone(slot));
    }

    /// Opens a listener's sockets, or goes on with those that it has. Connections of chains that stay as they are stay, if
    /// nothing else of the listener has changed; the others are let go of.
    pub(super) fn open(&mut self, slot: Arc<Slot<Listener>>, bound: Vec<Arc<Bound>>) {
        let name = Arc::clone(slot.name());
        let earlier = self.listeners.remove(&name);
        let alike = earlier.as_ref().filter(|earlier| is_alike(&earlier.bound, &bound));
        let bound = match alike.and_then(|earlier| earlier.bound.first()) {
            Some(old) => taking_over(&bound, &old.listener),
            None => bound,
        };
        if let Some(one) = bound.first() {
            slot.set(Arc::clone(&one.listener));
        }
        let chains = earlier.iter().flat_map(|earlier| earlier.bound.first()).flat_map(|one| one.listener.chains());
        let stays = |chain: &Arc<FilterChain>| {
            bound.iter().flat_map(|one| one.listener.chains()).any(|now| Arc::ptr_eq(now, chain))
        };
        self.drain(chains.filter(|chain| !stays(chain)).cloned().collect());
        self.listeners.insert(name, Opened { slot, bound });
        self.tell();
    }

    /// Lets go of the connections of chains.
    fn drain(&self, chains: Vec<Arc<FilterChain>>) {
        if chains.is_empty() {
            return;
        }
        chains.iter().for_each(|chain| chain.life.drain.begin(self.rules));
        task::spawn(end(chains, self.rules.time));
    }

    /// Lets go of a resource that is there no more.
    pub(super) fn remove(&mut self, key: &Key) {
        match key.kind {
            ResourceType::Cluster => drop(self.clusters.remove(&key.name)),
            ResourceType::Listener => {
                if let Some(gone) = self.listeners.remove(&key.name) {
                    self.tell();
                    let chains = gone.bound.first().into_iter().flat_map(|one| one.listener.chains());
                    self.drain(chains.cloned().collect());
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

/// How often it is looked whether connections are left.
const LOOK: Duration = Duration::from_secs(1);

/// Closes what connections of chains are left after a while. Chains without any are let go of before.
async fn end(mut chains: Vec<Arc<FilterChain>>, time: Duration) {
    let until = Instant::now() + time;
    loop {
        sleep_until(until.min(Instant::now() + LOOK)).await;
        // A connection holds its chain.
        chains.retain(|chain| Arc::strong_count(chain) > 1);
        if chains.is_empty() {
            return;
        }
        if Instant::now() >= until {
            break;
        }
    }
    chains.iter().for_each(|chain| chain.life.drain.end());
}

/// Whether listeners differ in their chains at most.
fn is_alike(earlier: &[Arc<Bound>], now: &[Arc<Bound>]) -> bool {
    earlier.len() == now.len() && earlier.iter().zip(now).all(|(one, other)| one.fingerprint == other.fingerprint)
}

/// These with the chains of an earlier version that say the same.
fn taking_over(bound: &[Arc<Bound>], earlier: &Listener) -> Vec<Arc<Bound>> {
    let Some(first) = bound.first() else { return Vec::new() };
    let listener = Arc::new(first.listener.taking_over(earlier));
    let with = |one: &Arc<Bound>| {
        let (listener, fingerprint) = (Arc::clone(&listener), one.fingerprint.clone());
        let Bound { address, original_destination, socket, .. } = **one;
        Arc::new(Bound { address, original_destination, socket, listener, fingerprint })
    };
    bound.iter().map(with).collect()
}
