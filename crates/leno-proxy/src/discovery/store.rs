//! Resources on their way into use.
//!
//! A value is put into use once all that it refers to is known (make before break): a route that names a new cluster
//! does not send requests there before its endpoints have arrived. What does not arrive in time holds nothing up for
//! ever.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use leno_model::{Invalid, resource_name};
use leno_proto::{
    any::{self, UnpackError},
    google::protobuf::Any,
    v3::{cluster, endpoint, listener, route, tls},
};
use leno_xds::ResourceType;

use super::{trust, who};
use crate::{
    config::{
        Cluster, ClusterKind, EndpointSet, Listener, Registry, ResourceKind, RouteSource, Routes, Slot, SlotState,
        Terminal, convert,
    },
    identity::Credentials,
};

/// How long a value waits for what it refers to.
const SETTLE: Duration = Duration::from_secs(5);

/// Why a resource is refused: the text of the NACK.
#[derive(Debug, thiserror::Error)]
pub enum Rejected {
    /// It cannot be decoded.
    #[error("{0}")]
    Decode(#[from] UnpackError),
    /// Its content is not supported, or not legal.
    #[error("{}", list(.0))]
    Invalid(Vec<Invalid>),
    /// It is no trust bundle.
    #[error("{0}")]
    Bundle(String),
    /// It is of a type that was not asked for.
    #[error("resources of type {0} were not asked for")]
    Type(ResourceType),
}

/// Every field that is wrong, in one line.
fn list(invalid: &[Invalid]) -> String {
    invalid.iter().map(Invalid::to_string).collect::<Vec<_>>().join("; ")
}

/// A decoded resource with its place.
#[derive(Clone, Debug)]
enum Value {
    Listener(Arc<Slot<Listener>>, Arc<Listener>),
    Routes(Arc<Slot<Routes>>, Arc<Routes>),
    Cluster(Arc<Slot<Cluster>>, Arc<Cluster>),
    Endpoints(Arc<Slot<EndpointSet>>, Arc<EndpointSet>),
}

/// A value that waits.
#[derive(Debug)]
struct Staged {
    value: Value,
    until: Instant,
}

/// A resource's kind and name.
pub type Key = (ResourceType, Arc<str>);

/// Counts of what was done with resources.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Put into use.
    pub updates: u64,
    /// Refused.
    pub rejected: u64,
}

/// What the control thread knows of configuration.
#[derive(Debug)]
pub struct Store {
    registry: Registry,
    staged: HashMap<(ResourceKind, Arc<str>), Staged>,
    credentials: Arc<Credentials>,
    counts: Counts,
    /// Held for ever: both are subscribed from the start.
    inbound: Arc<Slot<Listener>>,
    outbound: Arc<Slot<Listener>>,
}

impl Store {
    /// A store that wants the listeners `inbound` and `outbound`.
    #[must_use]
    pub fn new(credentials: Arc<Credentials>) -> Self {
        let mut registry = Registry::default();
        let inbound = registry.listener(resource_name::INBOUND);
        let outbound = registry.listener(resource_name::OUTBOUND);
        Self { registry, staged: HashMap::new(), credentials, counts: Counts::default(), inbound, outbound }
    }

    /// The listener of all that reaches the workload.
    #[must_use]
    pub fn inbound(&self) -> &Arc<Slot<Listener>> {
        &self.inbound
    }

    /// The listener of destinations that the mesh does not know.
    #[must_use]
    pub fn outbound(&self) -> &Arc<Slot<Listener>> {
        &self.outbound
    }

    /// What is in use.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// What was done so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The slot of an original destination's listener.
    pub fn listener(&mut self, name: &str) -> Arc<Slot<Listener>> {
        self.registry.listener(name)
    }

    /// Takes a resource. It is put into use by [`Self::settle`].
    ///
    /// # Errors
    /// Why it is refused; what was in use before still is.
    pub fn update(&mut self, kind: ResourceType, name: &str, body: &Any, now: Instant) -> Result<(), Rejected> {
        match self.decode(kind, name, body) {
            Ok(Some(value)) => {
                let until = now + SETTLE;
                self.staged.insert((value.kind(), name.into()), Staged { value, until });
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(rejected) => {
                self.counts.rejected += 1;
                Err(rejected)
            }
        }
    }

    /// Decodes and converts a resource; `None` when nobody wants it any more, or it was taken at once.
    fn decode(&mut self, kind: ResourceType, name: &str, body: &Any) -> Result<Option<Value>, Rejected> {
        let value = match kind {
            ResourceType::Secret => {
                let secret = any::unpack::<tls::Secret>(body)?;
                if secret.name == resource_name::TRUST_BUNDLE {
                    trust::install(&self.credentials, &secret).map_err(Rejected::Bundle)?;
                    self.counts.updates += 1;
                }
                None
            }
            ResourceType::Listener => match self.registry.find_listener(name) {
                Some(slot) => {
                    let message = any::unpack::<listener::Listener>(body)?;
                    let value = convert::listener(&message, &mut self.registry).map_err(Rejected::Invalid)?;
                    Some(Value::Listener(slot, Arc::new(value)))
                }
                None => None,
            },
            ResourceType::Route => match self.registry.find_routes(name) {
                Some(slot) => {
                    let message = any::unpack::<route::RouteConfiguration>(body)?;
                    let value = convert::routes(&message, &mut self.registry).map_err(Rejected::Invalid)?;
                    Some(Value::Routes(slot, Arc::new(value)))
                }
                None => None,
            },
            ResourceType::Cluster => match self.registry.find_cluster(name) {
                Some(slot) => {
                    let mut message = any::unpack::<cluster::Cluster>(body)?;
                    message.load_assignment.iter_mut().for_each(|assignment| self.name_identities(assignment));
                    let value = convert::cluster(&message, &mut self.registry).map_err(Rejected::Invalid)?;
                    Some(Value::Cluster(slot, Arc::new(value)))
                }
                None => None,
            },
            ResourceType::Endpoint => match self.registry.find_endpoints(name) {
                Some(slot) => {
                    let mut message = any::unpack::<endpoint::ClusterLoadAssignment>(body)?;
                    self.name_identities(&mut message);
                    let previous = slot.get();
                    let value = convert::endpoints(&message, previous.as_deref()).map_err(Rejected::Invalid)?;
                    Some(Value::Endpoints(slot, Arc::new(value)))
                }
                None => None,
            },
        };
        Ok(value)
    }

    /// Completes who endpoints are, for telemetry.
    fn name_identities(&self, assignment: &mut endpoint::ClusterLoadAssignment) {
        if let Some(identity) = self.credentials.identity() {
            who::name_identities(assignment, &identity.svid().id().trust_domain);
        }
    }

    /// Takes away a resource, or learns that there is none.
    pub fn remove(&mut self, kind: ResourceType, name: &str) {
        let Some(of) = registry_kind(kind) else {
            return;
        };
        self.staged.remove(&(of, Arc::from(name)));
        match of {
            ResourceKind::Listener => self.registry.find_listener(name).iter().for_each(|slot| slot.set_absent()),
            ResourceKind::Routes => self.registry.find_routes(name).iter().for_each(|slot| slot.set_absent()),
            ResourceKind::Cluster => self.registry.find_cluster(name).iter().for_each(|slot| slot.set_absent()),
            ResourceKind::Endpoints => self.registry.find_endpoints(name).iter().for_each(|slot| slot.set_absent()),
        }
    }

    /// Puts into use what waits for nothing any more; says when to look again.
    pub fn settle(&mut self, now: Instant) -> Option<Instant> {
        loop {
            let ready = |staged: &Staged| staged.until <= now || !staged.value.waits();
            let keys: Vec<_> =
                self.staged.iter().filter(|(_, staged)| ready(staged)).map(|(key, _)| key.clone()).collect();
            if keys.is_empty() {
                return self.staged.values().map(|staged| staged.until).min();
            }
            for key in keys {
                if let Some(staged) = self.staged.remove(&key) {
                    staged.value.install();
                    self.counts.updates += 1;
                }
            }
        }
    }

    /// What has been wanted since this was last called.
    pub fn take_wanted(&mut self) -> Vec<Key> {
        self.registry.take_wanted().into_iter().map(resource_type).collect()
    }

    /// What nobody wants any more.
    pub fn sweep(&mut self) -> Vec<Key> {
        self.registry.sweep().into_iter().map(resource_type).collect()
    }

    /// What is wanted and of which nothing is known, not even that it is on its way into use.
    #[must_use]
    pub fn pending(&self) -> Vec<Key> {
        let registry = &self.registry;
        let listeners = registry.listeners().filter_map(|slot| pending(ResourceKind::Listener, &slot));
        let routes = registry.all_routes().filter_map(|slot| pending(ResourceKind::Routes, &slot));
        let clusters = registry.clusters().filter_map(|slot| pending(ResourceKind::Cluster, &slot));
        let endpoints = registry.all_endpoints().filter_map(|slot| pending(ResourceKind::Endpoints, &slot));
        let all = listeners.chain(routes).chain(clusters).chain(endpoints);
        all.filter(|key| !self.staged.contains_key(key)).map(resource_type).collect()
    }
}

/// The kind and name of a slot of which nothing is known.
fn pending<T>(kind: ResourceKind, slot: &Slot<T>) -> Option<(ResourceKind, Arc<str>)> {
    is_pending(slot).then(|| (kind, Arc::clone(slot.name())))
}

/// The registry's kind of a resource type; secrets are not in it.
fn registry_kind(kind: ResourceType) -> Option<ResourceKind> {
    match kind {
        ResourceType::Secret => None,
        ResourceType::Cluster => Some(ResourceKind::Cluster),
        ResourceType::Endpoint => Some(ResourceKind::Endpoints),
        ResourceType::Listener => Some(ResourceKind::Listener),
        ResourceType::Route => Some(ResourceKind::Routes),
    }
}

/// The resource type of a registry's entry.
fn resource_type((kind, name): (ResourceKind, Arc<str>)) -> Key {
    let kind = match kind {
        ResourceKind::Listener => ResourceType::Listener,
        ResourceKind::Routes => ResourceType::Route,
        ResourceKind::Cluster => ResourceType::Cluster,
        ResourceKind::Endpoints => ResourceType::Endpoint,
    };
    (kind, name)
}

impl Value {
    fn kind(&self) -> ResourceKind {
        match self {
            Self::Listener(..) => ResourceKind::Listener,
            Self::Routes(..) => ResourceKind::Routes,
            Self::Cluster(..) => ResourceKind::Cluster,
            Self::Endpoints(..) => ResourceKind::Endpoints,
        }
    }

    /// Whether something that it refers to is not known yet.
    fn waits(&self) -> bool {
        match self {
            Self::Listener(_, listener) => {
                let chains = listener.filter_chains.iter().chain(&listener.default_filter_chain);
                chains.into_iter().any(|chain| match &chain.terminal {
                    Terminal::Http(manager) => match &manager.routes {
                        RouteSource::Inline(routes) => routes_wait(routes),
                        RouteSource::Named(slot) => is_pending(slot),
                    },
                    Terminal::Tcp(proxy) => proxy.clusters.iter().any(|cluster| is_pending(&cluster.cluster)),
                })
            }
            Self::Routes(_, routes) => routes_wait(routes),
            Self::Cluster(_, cluster) => match &cluster.kind {
                ClusterKind::Eds(slot) => is_pending(slot),
                ClusterKind::Static(_) | ClusterKind::OriginalDst => false,
            },
            Self::Endpoints(..) => false,
        }
    }

    fn install(self) {
        match self {
            Self::Listener(slot, value) => slot.set(value),
            Self::Routes(slot, value) => slot.set(value),
            Self::Cluster(slot, value) => slot.set(value),
            Self::Endpoints(slot, value) => slot.set(value),
        }
    }
}

fn is_pending<T>(slot: &Slot<T>) -> bool {
    slot.state() == SlotState::Pending
}

fn routes_wait(routes: &Routes) -> bool {
    routes.clusters.values().any(|slot| is_pending(slot))
}
