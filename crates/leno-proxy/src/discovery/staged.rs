//! Values on their way into use, and what they wait for.

use std::{collections::HashMap, sync::Arc, time::Instant};

use leno_xds::ResourceType;

use crate::{
    config::{
        Cluster, ClusterKind, DownstreamTls, EndpointSet, FilterChain, Key, Listener, RouteSource, Routes, Secret,
        Security, Slot, SlotState, Terminal,
    },
    settings::Bound,
};

/// A decoded resource with its place.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Listener(Arc<Slot<Listener>>, Arc<Listener>),
    /// A listener with sockets of its own.
    Bound(Arc<Slot<Listener>>, Vec<Arc<Bound>>),
    Routes(Arc<Slot<Routes>>, Arc<Routes>),
    Cluster(Arc<Slot<Cluster>>, Arc<Cluster>),
    Endpoints(Arc<Slot<EndpointSet>>, Arc<EndpointSet>),
}

/// A value that waits: for clusters until then at most, for what else it refers to as long as nothing is known of that.
#[derive(Debug)]
struct Waiting {
    value: Value,
    until: Instant,
}

/// What may be waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Clusters come without being asked for.
    pub(super) unasked: bool,
    /// What is fetched by name says itself how long it is waited for; if not, a value's own time is meant for all.
    pub(super) by_fetch: bool,
}

/// All values that wait.
#[derive(Debug, Default)]
pub(super) struct Staged {
    values: HashMap<Key, Waiting>,
}

/// What need not wait any longer.
pub(super) struct Ready {
    /// All that it refers to is there, or is not to come.
    pub(super) complete: Vec<Value>,
    /// The time is up.
    pub(super) late: Vec<Value>,
}

impl Staged {
    /// Has a value wait in place of an earlier one.
    pub(super) fn put(&mut self, value: Value, until: Instant) {
        self.values.insert(value.key(), Waiting { value, until });
    }

    /// Gives up a value.
    pub(super) fn drop(&mut self, key: &Key) {
        self.values.remove(key);
    }

    /// Whether something is on its way.
    pub(super) fn has(&self, key: &Key) -> bool {
        self.values.contains_key(key)
    }

    /// When the first of them has waited long enough.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        self.values.values().map(|waiting| waiting.until).filter(|until| *until > now).min()
    }

    /// Takes out what need not wait any longer.
    pub(super) fn take_ready(&mut self, now: Instant, patience: Patience) -> Ready {
        let is_late =
            |waiting: &Waiting| waiting.until <= now && !(patience.by_fetch && self.waits(&waiting.value, For::Named));
        let is_complete = |waiting: &Waiting| {
            let value = &waiting.value;
            !self.waits(value, For::Named) && !self.waits(value, For::Clusters { unasked: patience.unasked })
        };
        let complete: Vec<_> = self.keys(is_complete).collect();
        let late: Vec<_> = self.keys(|waiting| is_late(waiting) && !is_complete(waiting)).collect();
        Ready { complete: self.take(&complete), late: self.take(&late) }
    }

    fn keys(&self, choose: impl Fn(&Waiting) -> bool) -> impl Iterator<Item = Key> {
        self.values.iter().filter(move |(_, waiting)| choose(waiting)).map(|(key, _)| key.clone())
    }

    fn take(&mut self, keys: &[Key]) -> Vec<Value> {
        keys.iter().filter_map(|key| self.values.remove(key)).map(|waiting| waiting.value).collect()
    }

    /// Whether something that a value refers to is still to come.
    fn waits(&self, value: &Value, what: For) -> bool {
        match value {
            Value::Listener(_, listener) => self.listener_waits(listener, what),
            Value::Bound(_, bound) => bound.iter().any(|one| self.listener_waits(&one.listener, what)),
            Value::Routes(slot, routes) => match what {
                For::Named => false,
                For::Clusters { unasked } => {
                    self.routes_wait(routes)
                        || (unasked && new_clusters(slot, routes).any(|it| it.state() == SlotState::Absent))
                }
            },
            Value::Cluster(_, cluster) => matches!(what, For::Named) && self.cluster_waits(cluster),
            Value::Endpoints(..) => false,
        }
    }

    fn listener_waits(&self, listener: &Listener, what: For) -> bool {
        let mut chains = listener.filter_chains.iter().chain(&listener.default_filter_chain);
        chains.any(|chain| match what {
            For::Named => self.chain_waits(chain),
            For::Clusters { .. } => self.chain_waits_for_clusters(chain),
        })
    }

    fn chain_waits(&self, chain: &FilterChain) -> bool {
        let for_secrets = match chain.tls.as_deref() {
            Some(DownstreamTls::Own(context)) => self.secrets_wait(context.slots()),
            Some(DownstreamTls::Mesh(_)) | None => false,
        };
        let for_routes = match &chain.terminal {
            Terminal::Http(manager) => match &manager.routes {
                RouteSource::Inline(_) => false,
                RouteSource::Named(slot) => self.is_to_come(ResourceType::Route, slot),
            },
            Terminal::Tcp(_) => false,
        };
        for_secrets || for_routes
    }

    fn chain_waits_for_clusters(&self, chain: &FilterChain) -> bool {
        match &chain.terminal {
            Terminal::Http(manager) => match &manager.routes {
                RouteSource::Inline(routes) => self.routes_wait(routes),
                RouteSource::Named(_) => false,
            },
            Terminal::Tcp(proxy) => {
                proxy.clusters.iter().any(|cluster| self.is_to_come(ResourceType::Cluster, &cluster.cluster))
            }
        }
    }

    fn cluster_waits(&self, cluster: &Cluster) -> bool {
        let for_secrets = cluster.transports.iter().any(|one| match &one.transport.security {
            Security::Tls(context) => self.secrets_wait(context.slots()),
            Security::MeshTls(_) | Security::Named(_) | Security::Plain => false,
        });
        for_secrets
            || match &cluster.kind {
                ClusterKind::Eds(slot) => self.is_to_come(ResourceType::Endpoint, slot),
                ClusterKind::Static(_) | ClusterKind::Dns(_) | ClusterKind::OriginalDst(_) => false,
            }
    }

    fn secrets_wait<'a>(&self, mut slots: impl Iterator<Item = &'a Arc<Slot<Secret>>>) -> bool {
        slots.any(|slot| self.is_to_come(ResourceType::Secret, slot))
    }

    fn routes_wait(&self, routes: &Routes) -> bool {
        routes.clusters.values().any(|slot| self.is_to_come(ResourceType::Cluster, slot))
    }

    /// Whether nothing is in a slot yet, and something may still come: nothing is known of it, or it is on its way.
    fn is_to_come<T>(&self, kind: ResourceType, slot: &Slot<T>) -> bool {
        match slot.state() {
            SlotState::Pending => true,
            SlotState::Ready => false,
            SlotState::Absent => self.has(&Key::of(kind, slot)),
        }
    }
}

/// What is looked at.
#[derive(Clone, Copy, Debug)]
enum For {
    /// What is fetched by name.
    Named,
    /// Clusters; `unasked`: they come without being asked for.
    Clusters { unasked: bool },
}

/// The clusters that routes name for the first time. One of them that is not there may be on its way: servers do not always
/// say clusters before the routes that name them, and those before are as good meanwhile.
fn new_clusters<'a>(slot: &Slot<Routes>, routes: &'a Routes) -> impl Iterator<Item = &'a Arc<Slot<Cluster>>> {
    let before = slot.get();
    let known = move |name: &str| before.as_ref().is_some_and(|before| before.clusters.contains_key(name));
    routes.clusters.values().filter(move |cluster| !known(cluster.name()))
}

impl Value {
    /// Of which resource it is one.
    pub(super) fn key(&self) -> Key {
        match self {
            Self::Listener(slot, _) | Self::Bound(slot, _) => Key::of(ResourceType::Listener, slot),
            Self::Routes(slot, _) => Key::of(ResourceType::Route, slot),
            Self::Cluster(slot, _) => Key::of(ResourceType::Cluster, slot),
            Self::Endpoints(slot, _) => Key::of(ResourceType::Endpoint, slot),
        }
    }
}
