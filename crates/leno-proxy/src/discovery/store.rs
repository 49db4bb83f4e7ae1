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
use leno_tls::context::Certificate;
use leno_xds::ResourceType;

use super::{
    control_plane::ControlPlane,
    own_cluster,
    staged::{Patience, Ready, Staged, Value},
    trust, who,
    whole::Whole,
};
use crate::{
    bootstrap,
    config::{Key, Listener, Registry, Secret, Slot, SlotState, convert, source::SourceId},
    identity::Credentials,
};

/// How long a value waits for clusters that come by themselves, and in a sidecar for all that it refers to.
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
    /// The file has one of this name.
    #[error("name: it is that of a {0} under static_resources, which does not change")]
    Fixed(ResourceType),
    /// Another listener is there.
    #[error("address: {0} is that of the listener {1:?}")]
    Taken(std::net::SocketAddr, String),
}

/// Every field that is wrong, in one line.
fn list(invalid: &[Invalid]) -> String {
    invalid.iter().map(Invalid::to_string).collect::<Vec<_>>().join("; ")
}

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
    staged: Staged,
    /// Removed, and still referred to by something in use: it serves until that has changed, or until then at most.
    leaving: HashMap<Key, Instant>,
    /// Until when what was asked for is waited for (`initial_fetch_timeout`); without `whole` nothing is.
    fetching: HashMap<Key, Instant>,
    credentials: Arc<Credentials>,
    counts: Counts,
    /// What the cluster of the control plane is made of; `None`: that name means nothing else than others.
    control: Option<ControlPlane>,
    /// What is taken as it comes; `None`: everything is asked for by name.
    whole: Option<Whole>,
    /// Held for ever: both are subscribed from the start.
    inbound: Arc<Slot<Listener>>,
    outbound: Arc<Slot<Listener>>,
}

impl Store {
    /// A store that wants the listeners `inbound` and `outbound`, of a sidecar that has this control plane.
    #[must_use]
    pub fn new(credentials: Arc<Credentials>, control: ControlPlane) -> Self {
        let mut registry = Registry::default();
        let inbound = registry.listener(resource_name::INBOUND);
        let outbound = registry.listener(resource_name::OUTBOUND);
        Self {
            registry,
            staged: Staged::default(),
            leaving: HashMap::new(),
            fetching: HashMap::new(),
            credentials,
            counts: Counts::default(),
            control: Some(control),
            whole: None,
            inbound,
            outbound,
        }
    }

    /// A store that takes all listeners and clusters that there are, beside those of a file.
    #[must_use]
    pub fn whole(mut whole: Whole, credentials: Arc<Credentials>) -> Self {
        let registry = whole.take_registry();
        let (inbound, outbound) = (Slot::pending(resource_name::INBOUND), Slot::pending(resource_name::OUTBOUND));
        let (staged, leaving, fetching) = (Staged::default(), HashMap::new(), HashMap::new());
        let (counts, control, whole) = (Counts::default(), None, Some(whole));
        Self { registry, staged, leaving, fetching, credentials, counts, control, whole, inbound, outbound }
    }

    /// Whether resources of this type come without being asked for by name.
    #[must_use]
    pub fn takes(&self, kind: ResourceType) -> bool {
        self.whole.as_ref().is_some_and(|whole| whole.takes(kind))
    }

    /// Every listener in use.
    #[must_use]
    pub fn listeners(&self) -> Vec<Arc<Slot<Listener>>> {
        match &self.whole {
            Some(whole) => whole.listeners().cloned().collect(),
            None => self.registry.listeners().collect(),
        }
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
    pub fn update(&mut self, key: &Key, body: &Any, now: Instant) -> Result<(), Rejected> {
        let made = self.prepare(key).and_then(|()| self.decode(key, body));
        match made {
            Ok(Some(value)) => {
                self.leaving.remove(&value.key());
                self.staged.put(value, now + SETTLE);
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(rejected) => {
                self.counts.rejected += 1;
                self.give_up(key);
                Err(rejected)
            }
        }
    }

    /// Makes room for a resource that comes without being asked for.
    fn prepare(&mut self, key: &Key) -> Result<(), Rejected> {
        let Some(whole) = &mut self.whole else { return Ok(()) };
        if whole.is_fixed(key) {
            return Err(Rejected::Fixed(key.kind));
        }
        if whole.takes(key.kind) && key.kind == ResourceType::Cluster {
            whole.keep(&self.registry.cluster(&key.name));
        }
        Ok(())
    }

    /// Keeps no room for a resource that was refused and of which there is no other version.
    fn give_up(&mut self, key: &Key) {
        let is_new = self.registry.find_cluster(&key.name).is_none_or(|slot| slot.state() == SlotState::Pending);
        if let Some(whole) = &mut self.whole
            && key.kind == ResourceType::Cluster
            && is_new
        {
            whole.remove(key);
        }
    }

    /// A listener with its sockets.
    fn bound(&mut self, body: &Any) -> Result<Value, Rejected> {
        let message = any::unpack::<listener::Listener>(body)?;
        let name = message.name.clone();
        let bound = bootstrap::bound(message, &mut self.registry).map_err(Rejected::Invalid)?;
        if let Some((other, one)) = self.whole.as_ref().and_then(|whole| whole.taken(&name, &bound)) {
            return Err(Rejected::Taken(one.address, other.to_owned()));
        }
        // Held by the value on its way, and by the list of those that are open.
        Ok(Value::Bound(self.registry.listener(&name), bound))
    }

    /// Decodes and converts a resource; `None` when nobody wants it any more, or it was taken at once.
    fn decode(&mut self, key: &Key, body: &Any) -> Result<Option<Value>, Rejected> {
        let (kind, source, name) = (key.kind, key.source, &*key.name);
        let value = match kind {
            ResourceType::Secret => {
                let secret = any::unpack::<tls::Secret>(body)?;
                if secret.name == resource_name::TRUST_BUNDLE {
                    trust::install(&self.credentials, &secret).map_err(Rejected::Bundle)?;
                    self.counts.updates += 1;
                    return Ok(None);
                }
                let Some(slot) = self.registry.find_secret(source, name) else { return Ok(None) };
                self.leaving.remove(key);
                let watch = convert::Watch::Always;
                convert::secret(&secret, &slot, &mut self.registry, watch).map_err(Rejected::Invalid)?;
                self.counts.updates += 1;
                None
            }
            ResourceType::Listener if self.takes(kind) => Some(self.bound(body)?),
            ResourceType::Listener => match self.registry.find_listener(name) {
                Some(slot) => {
                    let message = any::unpack::<listener::Listener>(body)?;
                    let value = convert::listener(&message, &mut self.registry).map_err(Rejected::Invalid)?;
                    Some(Value::Listener(slot, Arc::new(value)))
                }
                None => None,
            },
            ResourceType::Route => match self.registry.find_routes(source, name) {
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
            ResourceType::Endpoint => match self.registry.find_endpoints(source, name) {
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

    /// Takes away a resource, or learns that there is none. One that something in use refers to serves on for a while: the
    /// change that does not refer to it may come after this one.
    pub fn remove(&mut self, key: &Key, now: Instant) {
        if let Some(whole) = &mut self.whole {
            // What the file has is not taken away by who never brought it.
            if whole.is_fixed(key) {
                return;
            }
            whole.remove(key);
        }
        self.staged.drop(key);
        if self.whole.is_some() && key.kind != ResourceType::Listener && self.registry.serves(key) {
            self.leaving.insert(key.clone(), now + SETTLE);
        } else {
            self.registry.set_absent(key);
        }
    }

    /// Puts into use what waits for nothing any more; says when to look again.
    pub fn settle(&mut self, now: Instant) -> Option<Instant> {
        self.expire(now);
        let patience = Patience { unasked: self.takes(ResourceType::Cluster), by_fetch: self.whole.is_some() };
        self.show_identity();
        loop {
            let Ready { complete, late } = self.staged.take_ready(now, patience);
            if complete.is_empty() && late.is_empty() {
                break;
            }
            let is_late = !late.is_empty();
            for value in complete.into_iter().chain(late) {
                self.install(value);
                self.counts.updates += 1;
            }
            if is_late {
                self.give_up_waiting();
            }
        }
        let (gone, leaving): (HashMap<_, _>, HashMap<_, _>) =
            std::mem::take(&mut self.leaving).into_iter().partition(|(_, until)| *until <= now);
        self.leaving = leaving;
        gone.keys().for_each(|key| self.registry.set_absent(key));
        let ends = self.leaving.values().chain(self.fetching.values()).copied();
        self.staged.next(now).into_iter().chain(ends).min()
    }

    /// What did not come in its time is not there; if it comes later it is used as well.
    fn expire(&mut self, now: Instant) {
        let Self { registry, staged, fetching, .. } = self;
        fetching.retain(|key, until| {
            let is_open = registry.state(key) == Some(SlotState::Pending) && !staged.has(key);
            if is_open && *until <= now {
                tracing::warn!(kind = %key.kind, name = &*key.name, "it did not come in time (initial_fetch_timeout)");
                registry.set_absent(key);
            }
            is_open && *until > now
        });
    }

    /// Clusters that are all taken as they come, and did not come, are not there.
    fn give_up_waiting(&self) {
        if self.takes(ResourceType::Cluster) {
            let pending = self.registry.pending();
            let missing = pending.iter().filter(|key| key.kind == ResourceType::Cluster && !self.staged.has(key));
            missing.for_each(|key| self.registry.set_absent(key));
        }
    }

    fn install(&mut self, value: Value) {
        match value {
            Value::Listener(slot, value) => slot.set(value),
            Value::Bound(slot, bound) => {
                if let Some(whole) = &mut self.whole {
                    whole.open(slot, bound);
                }
            }
            Value::Routes(slot, value) => slot.set(value),
            Value::Cluster(slot, value) => slot.set(value),
            Value::Endpoints(slot, value) => slot.set(value),
        }
    }

    /// What has been wanted since this was last called, and has to be asked for.
    pub fn take_wanted(&mut self, now: Instant) -> Vec<Key> {
        let mut wanted = self.registry.take_wanted();
        wanted.retain(|(key, _)| !self.takes(key.kind) && !self.is_own(key));
        if self.whole.is_some() {
            let until = wanted.iter().filter_map(|(key, within)| Some((key.clone(), now.checked_add((*within)?)?)));
            self.fetching.extend(until);
        }
        self.make_own();
        wanted.into_iter().map(|(key, _)| key).collect()
    }

    /// Whether this is made here: the cluster of the control plane, or the workload's own certificate.
    fn is_own(&self, key: &Key) -> bool {
        match key.kind {
            ResourceType::Cluster => self.control.is_some() && *key.name == *resource_name::CONTROL_PLANE,
            ResourceType::Secret => *key.name == *resource_name::SVID,
            ResourceType::Listener | ResourceType::Route | ResourceType::Endpoint => false,
        }
    }

    /// Makes that cluster, when it is wanted.
    fn make_own(&mut self) {
        if let (Some(control), Some(slot)) = (&self.control, self.registry.find_cluster(resource_name::CONTROL_PLANE))
            && slot.state() == SlotState::Pending
        {
            match own_cluster::make(control, &mut self.registry) {
                Ok(cluster) => slot.set(Arc::new(cluster)),
                Err(invalid) => {
                    tracing::warn!(error = list(&invalid), "the control plane cannot be asked by filters");
                    slot.set_absent();
                }
            }
        }
    }

    /// Shows the workload's own certificate of the moment, where a cluster does.
    fn show_identity(&self) {
        let (Some(slot), Some(identity)) =
            (self.registry.find_secret(SourceId::COMMON, resource_name::SVID), self.credentials.identity())
        else {
            return;
        };
        match Certificate::of(&identity.svid()) {
            Ok(made) => {
                let shown = slot.get();
                if !matches!(shown.as_deref(), Some(Secret::Certificate(shown)) if *shown == made) {
                    slot.set(Arc::new(Secret::Certificate(made)));
                }
            }
            Err(error) => tracing::warn!(%error, "the own certificate cannot be shown to servers"),
        }
    }

    /// What nobody wants any more.
    pub fn sweep(&mut self) -> Vec<Key> {
        let mut gone = self.registry.sweep();
        gone.retain(|key| !self.takes(key.kind) && !self.is_own(key));
        gone
    }

    /// What is wanted and of which nothing is known, not even that it is on its way into use.
    #[must_use]
    pub fn pending(&self) -> Vec<Key> {
        let mut pending = self.registry.pending();
        pending.retain(|key| !self.staged.has(key));
        pending
    }

    /// Whether this is wanted and nothing is known of it, not even that it is on its way into use.
    #[must_use]
    pub fn is_pending(&self, key: &Key) -> bool {
        self.registry.state(key) == Some(SlotState::Pending) && !self.staged.has(key)
    }
}

#[cfg(test)]
mod tests {
    use leno_proto::v3::route::{Route, RouteAction, RouteMatch, VirtualHost, route, route_action, route_match};
    use tokio::sync::watch;

    use super::*;
    use crate::{
        bootstrap::Fixed,
        config::{
            DrainRules, DrainStrategy, Routes,
            source::{Dynamic, Fetch, Source},
        },
    };

    fn store() -> (Store, Arc<Slot<Routes>>) {
        let (doors, _) = watch::channel(Arc::from([]));
        let all =
            Dynamic { listeners: Some(Source::Aggregated), clusters: Some(Source::Aggregated), ..Dynamic::default() };
        let rules = DrainRules { time: SETTLE, strategy: DrainStrategy::default() };
        let whole = Whole::new(Fixed::default(), &all, rules, doors);
        let mut store = Store::whole(whole, Arc::default());
        let routes = store.registry.routes("r", Fetch::default());
        (store, routes)
    }

    fn cluster(store: &mut Store, name: &str, now: Instant) {
        let message = cluster::Cluster { name: name.into(), ..cluster::Cluster::default() };
        store.update(&Key::common(ResourceType::Cluster, name), &any::pack(&message), now).expect("it is right");
    }

    fn routes_to(store: &mut Store, name: &str, now: Instant) {
        let path_specifier = Some(route_match::PathSpecifier::Prefix("/".into()));
        let cluster_specifier = Some(route_action::ClusterSpecifier::Cluster(name.into()));
        let route = Route {
            r#match: Some(RouteMatch { path_specifier, ..RouteMatch::default() }),
            action: Some(route::Action::Route(RouteAction { cluster_specifier, ..RouteAction::default() })),
            ..Route::default()
        };
        let (domains, routes) = (vec!["*".into()], vec![route]);
        let host = VirtualHost { name: "v".into(), domains, routes, ..VirtualHost::default() };
        let message = leno_proto::v3::route::RouteConfiguration {
            name: "r".into(),
            virtual_hosts: vec![host],
            ..Default::default()
        };
        store.update(&Key::common(ResourceType::Route, "r"), &any::pack(&message), now).expect("it is right");
    }

    /// The state of the one cluster that routes name.
    fn state(routes: &Slot<Routes>, name: &str) -> SlotState {
        routes.get().expect("there are routes").clusters[name].state()
    }

    #[test]
    fn a_cluster_that_is_removed_serves_while_routes_name_it() {
        let ((mut store, routes), now) = (store(), Instant::now());
        cluster(&mut store, "a", now);
        routes_to(&mut store, "a", now);
        assert_eq!(store.settle(now), None);
        store.remove(&Key::common(ResourceType::Cluster, "a"), now);
        assert_eq!(store.settle(now), Some(now + SETTLE));
        assert_eq!(state(&routes, "a"), SlotState::Ready);
        store.settle(now + SETTLE);
        assert_eq!(state(&routes, "a"), SlotState::Absent);
        cluster(&mut store, "a", now);
        store.settle(now);
        store.remove(&Key::common(ResourceType::Cluster, "a"), now);
        cluster(&mut store, "a", now);
        store.settle(now + SETTLE);
        assert_eq!(state(&routes, "a"), SlotState::Ready, "it has come back");
    }

    #[test]
    fn routes_wait_for_a_cluster_that_they_did_not_name_before() {
        let ((mut store, routes), now) = (store(), Instant::now());
        for name in ["a", "b"] {
            cluster(&mut store, name, now);
        }
        routes_to(&mut store, "a", now);
        store.settle(now);
        // Nobody names it, so it is gone at once; then it comes back, after the routes to it.
        store.remove(&Key::common(ResourceType::Cluster, "b"), now);
        routes_to(&mut store, "b", now);
        assert_eq!(store.settle(now), Some(now + SETTLE));
        assert_eq!(state(&routes, "a"), SlotState::Ready, "those before are in use");
        cluster(&mut store, "b", now);
        assert_eq!(store.settle(now), None);
        assert_eq!(state(&routes, "b"), SlotState::Ready);
        // One that does not come back is not waited for longer, and not again.
        store.remove(&Key::common(ResourceType::Cluster, "a"), now);
        routes_to(&mut store, "a", now);
        store.settle(now + SETTLE);
        assert_eq!(state(&routes, "a"), SlotState::Absent);
        routes_to(&mut store, "a", now);
        assert_eq!(store.settle(now), None);
    }

    #[test]
    fn routes_wait_for_their_cluster_for_a_while() {
        let ((mut store, routes), now) = (store(), Instant::now());
        routes_to(&mut store, "a", now);
        assert_eq!(store.settle(now), Some(now + SETTLE));
        assert!(routes.get().is_none());
        cluster(&mut store, "a", now);
        store.settle(now);
        assert_eq!(state(&routes, "a"), SlotState::Ready);
        routes_to(&mut store, "b", now);
        store.settle(now + SETTLE);
        assert_eq!(state(&routes, "b"), SlotState::Absent, "nobody has to wait for what did not come");
    }
}
