//! Values on their way into use, and what they wait for.

use std::{collections::HashMap, sync::Arc, time::Instant};

use crate::{
    config::{
        Cluster, ClusterKind, DownstreamTls, EndpointSet, FilterChain, Listener, ResourceKind, RouteSource, Routes,
        Secret, Security, Slot, SlotState, Terminal,
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

/// A value that waits, until then at most.
#[derive(Debug)]
struct Waiting {
    value: Value,
    until: Instant,
}

/// The kind and name of a slot.
pub(super) type SlotKey = (ResourceKind, Arc<str>);

/// All values that wait.
#[derive(Debug, Default)]
pub(super) struct Staged {
    values: HashMap<SlotKey, Waiting>,
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
    pub(super) fn put(&mut self, name: &str, value: Value, until: Instant) {
        self.values.insert((value.kind(), name.into()), Waiting { value, until });
    }

    /// Gives up a value.
    pub(super) fn drop(&mut self, kind: ResourceKind, name: &str) {
        self.values.remove(&(kind, Arc::from(name)));
    }

    /// Whether something is on its way.
    pub(super) fn has(&self, key: &SlotKey) -> bool {
        self.values.contains_key(key)
    }

    /// When the first of them has waited long enough.
    pub(super) fn next(&self) -> Option<Instant> {
        self.values.values().map(|waiting| waiting.until).min()
    }

    /// Takes out what need not wait any longer. `unasked`: clusters come without being asked for.
    pub(super) fn take_ready(&mut self, now: Instant, unasked: bool) -> Ready {
        let is_complete = |waiting: &Waiting| !self.waits(&waiting.value, unasked);
        let complete: Vec<_> = self.keys(is_complete).collect();
        let late: Vec<_> = self.keys(|waiting| waiting.until <= now && !is_complete(waiting)).collect();
        Ready { complete: self.take(&complete), late: self.take(&late) }
    }

    fn keys(&self, choose: impl Fn(&Waiting) -> bool) -> impl Iterator<Item = SlotKey> {
        self.values.iter().filter(move |(_, waiting)| choose(waiting)).map(|(key, _)| key.clone())
    }

    fn take(&mut self, keys: &[SlotKey]) -> Vec<Value> {
        keys.iter().filter_map(|key| self.values.remove(key)).map(|waiting| waiting.value).collect()
    }

    /// Whether something that a value refers to is still to come.
    fn waits(&self, value: &Value, unasked: bool) -> bool {
        match value {
            Value::Listener(_, listener) => self.listener_waits(listener),
            Value::Bound(_, bound) => bound.iter().any(|one| self.listener_waits(&one.listener)),
            Value::Routes(slot, routes) => {
                self.routes_wait(routes)
                    || (unasked && new_clusters(slot, routes).any(|it| it.state() == SlotState::Absent))
            }
            Value::Cluster(_, cluster) => self.cluster_waits(cluster),
            Value::Endpoints(..) => false,
        }
    }

    fn listener_waits(&self, listener: &Listener) -> bool {
        let mut chains = listener.filter_chains.iter().chain(&listener.default_filter_chain);
        chains.any(|chain| self.chain_waits(chain))
    }

    fn chain_waits(&self, chain: &FilterChain) -> bool {
        let for_secrets = match chain.tls.as_deref() {
            Some(DownstreamTls::Own(context)) => self.secrets_wait(context.slots()),
            Some(DownstreamTls::Mesh(_)) | None => false,
        };
        for_secrets
            || match &chain.terminal {
                Terminal::Http(manager) => match &manager.routes {
                    RouteSource::Inline(routes) => self.routes_wait(routes),
                    RouteSource::Named(slot) => self.is_to_come(ResourceKind::Routes, slot),
                },
                Terminal::Tcp(proxy) => {
                    proxy.clusters.iter().any(|cluster| self.is_to_come(ResourceKind::Cluster, &cluster.cluster))
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
                ClusterKind::Eds(slot) => self.is_to_come(ResourceKind::Endpoints, slot),
                ClusterKind::Static(_) | ClusterKind::Dns(_) | ClusterKind::OriginalDst(_) => false,
            }
    }

    fn secrets_wait<'a>(&self, mut slots: impl Iterator<Item = &'a Arc<Slot<Secret>>>) -> bool {
        slots.any(|slot| self.is_to_come(ResourceKind::Secret, slot))
    }

    fn routes_wait(&self, routes: &Routes) -> bool {
        routes.clusters.values().any(|slot| self.is_to_come(ResourceKind::Cluster, slot))
    }

    /// Whether nothing is in a slot yet, and something may still come: nothing is known of it, or it is on its way.
    fn is_to_come<T>(&self, kind: ResourceKind, slot: &Slot<T>) -> bool {
        match slot.state() {
            SlotState::Pending => true,
            SlotState::Ready => false,
            SlotState::Absent => self.has(&(kind, Arc::clone(slot.name()))),
        }
    }
}

/// The clusters that routes name for the first time. One of them that is not there may be on its way: servers do not always
/// say clusters before the routes that name them, and those before are as good meanwhile.
fn new_clusters<'a>(slot: &Slot<Routes>, routes: &'a Routes) -> impl Iterator<Item = &'a Arc<Slot<Cluster>>> {
    let before = slot.get();
    let known = move |name: &str| before.as_ref().is_some_and(|before| before.clusters.contains_key(name));
    routes.clusters.values().filter(move |cluster| !known(cluster.name()))
}

impl Value {
    pub(super) fn kind(&self) -> ResourceKind {
        match self {
            Self::Listener(..) | Self::Bound(..) => ResourceKind::Listener,
            Self::Routes(..) => ResourceKind::Routes,
            Self::Cluster(..) => ResourceKind::Cluster,
            Self::Endpoints(..) => ResourceKind::Endpoints,
        }
    }
}
