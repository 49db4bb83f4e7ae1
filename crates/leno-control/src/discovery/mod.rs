//! The mesh as a source of resources.
//!
//! ```text
//! Snapshot ─update─► State (snapshot, what was compiled from it) ◄─view─ streams
//!            │ affected: what need not be compiled again is carried over
//!            └─► ChangeFeed ─► streams look at the names that it touches
//! ```

mod client;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arc_swap::ArcSwap;
use leno_compiler::{Affected, Kind, Scope};
use leno_model::{Snapshot, WorkloadName, resource_name};
use leno_proto::v3::core::Node;
use leno_xds::{
    Resource, ResourceType,
    server::{Change, ChangeFeed, ResourceSource, View},
};
use tonic::{Extensions, Status};
use tracing::{debug, info};

pub(crate) use client::{Client, identity, workload_name};

use crate::certificate::Expiries;

/// How many compiled resources are kept. There are more names than resources (any port of a workload, any spelling of a
/// gRPC target), so clients could make it grow for ever.
const COMPILED: usize = 50_000;

/// The mesh of the moment, and what proxies are told of it.
pub(crate) struct Mesh {
    state: ArcSwap<State>,
    feed: ChangeFeed<Affected>,
    expiries: Arc<Expiries>,
}

impl fmt::Debug for Mesh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mesh").field("version", &self.state.load().snapshot.version).finish_non_exhaustive()
    }
}

/// One version of the mesh.
pub(crate) struct State {
    snapshot: Arc<Snapshot>,
    trust_bundle: Resource,
    /// What was asked for and is there; shared by all who ask for the same. Bounded by [`COMPILED`].
    compiled: Mutex<HashMap<Key, Resource>>,
}

/// What a compiled resource depends on besides the snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    scope: Scope,
    kind: Kind,
    name: Arc<str>,
}

impl Key {
    /// What does not depend on the workload, or on its namespace, is compiled once for every client of a kind.
    fn new(snapshot: &Snapshot, scope: &Scope, kind: Kind, name: &str) -> Self {
        let workload = if leno_compiler::depends_on_caller(snapshot, kind, name) {
            scope.workload.clone()
        } else if leno_compiler::depends_on_namespace(snapshot, kind, name) {
            WorkloadName::new(&scope.workload.namespace, "")
        } else {
            WorkloadName::new("", "")
        };
        Self { scope: Scope { workload, client: scope.client }, kind, name: name.into() }
    }
}

impl Mesh {
    /// The mesh as it is at first. `roots_pem` are the roots that proxies are to trust.
    /// When clients' certificates end is noted in `expiries`.
    pub(crate) fn new(snapshot: Arc<Snapshot>, roots_pem: &str, expiries: Arc<Expiries>) -> Self {
        let trust_bundle = Resource::new(resource_name::TRUST_BUNDLE, leno_compiler::trust_bundle(roots_pem));
        let state = State { snapshot, trust_bundle, compiled: Mutex::default() };
        Self { state: ArcSwap::from_pointee(state), feed: ChangeFeed::new(), expiries }
    }

    /// The mesh of the moment.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.state.load().snapshot)
    }

    /// Takes another version into use and tells the streams what it may have changed for them.
    pub(crate) fn update(&self, snapshot: Arc<Snapshot>) {
        let old = self.state.load_full();
        let affected = leno_compiler::affected(&old.snapshot, &snapshot);
        let version = snapshot.version;
        let compiled = old.compiled();
        let kept = compiled.iter().filter(|(key, _)| !affected.touches(&key.scope, key.kind, &key.name));
        let kept: HashMap<_, _> = kept.map(|(key, resource)| (key.clone(), resource.clone())).collect();
        let (before, after) = (compiled.len(), kept.len());
        drop(compiled);
        let trust_bundle = old.trust_bundle.clone();
        self.state.store(Arc::new(State { snapshot, trust_bundle, compiled: Mutex::new(kept) }));
        debug!(version, recompile = before - after, "the mesh changed");
        if !affected.is_empty() {
            info!(version, "telling proxies of a change");
            self.feed.publish(affected);
        }
    }
}

impl State {
    fn compiled(&self) -> MutexGuard<'_, HashMap<Key, Resource>> {
        self.compiled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ResourceSource for Mesh {
    type Client = Client;
    type View = Arc<State>;
    type Change = Affected;

    fn admit(&self, node: &Node, extensions: &Extensions) -> Result<Client, Status> {
        let client = client::admit(&self.state.load().snapshot, node, extensions)?;
        if let Some(not_after) = client::certificate_end(extensions) {
            self.expiries.note(client.scope.workload.clone(), not_after);
        }
        Ok(client)
    }

    fn view(&self) -> Arc<State> {
        self.state.load_full()
    }

    fn feed(&self) -> &ChangeFeed<Affected> {
        &self.feed
    }
}

impl View<Client> for Arc<State> {
    fn version(&self) -> String {
        self.snapshot.version.to_string()
    }

    fn resource(&self, client: &Client, resource_type: ResourceType, name: &str) -> Option<Resource> {
        let kind = kind(resource_type);
        if kind == Kind::Secret && name == resource_name::TRUST_BUNDLE {
            return Some(self.trust_bundle.clone());
        }
        if !client.may_see(&self.snapshot, kind, name) {
            return None;
        }
        let key = Key::new(&self.snapshot, &client.scope, kind, name);
        if let Some(resource) = self.compiled().get(&key) {
            return Some(resource.clone());
        }
        // Not under the lock: two streams may compile the same, which is wasteful but right.
        let body = leno_compiler::resource(&self.snapshot, &client.scope, kind, name)?;
        let resource = Resource::new(name, body);
        let mut compiled = self.compiled();
        if compiled.len() >= COMPILED {
            compiled.clear();
        }
        compiled.insert(key, resource.clone());
        Some(resource)
    }

    fn names(&self, client: &Client, resource_type: ResourceType) -> Vec<Arc<str>> {
        let names = leno_compiler::names(&self.snapshot, &client.scope, kind(resource_type));
        names.into_iter().map(Arc::from).collect()
    }
}

impl Change<Client> for Affected {
    fn touches(&self, client: &Client, resource_type: ResourceType, name: &str) -> bool {
        Self::touches(self, &client.scope, kind(resource_type), name)
    }

    fn touches_names(&self, _: &Client, _: ResourceType) -> bool {
        Self::touches_names(self)
    }
}

/// The compiler's word for a type.
fn kind(resource_type: ResourceType) -> Kind {
    match resource_type {
        ResourceType::Secret => Kind::Secret,
        ResourceType::Cluster => Kind::Cluster,
        ResourceType::Endpoint => Kind::Endpoint,
        ResourceType::Listener => Kind::Listener,
        ResourceType::Route => Kind::Route,
    }
}
