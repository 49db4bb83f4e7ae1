//! Who is connected, and who was told what.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use leno_proto::{google::protobuf::Any, v3::core::Node};

use super::{session::Session, subscription::Known};
use crate::ResourceType;

/// Which of the two protocols a stream speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// Incremental.
    Delta,
    /// State of the world.
    StateOfTheWorld,
}

/// One stream, at one moment.
#[derive(Clone, Debug)]
pub struct StreamStatus {
    /// Counts up with every stream of the process.
    pub id: u64,
    /// Who the client says it is, without metadata and lists of features; admitted by the source.
    pub node: Arc<Node>,
    /// Which protocol it speaks.
    pub flavour: Flavour,
    /// Since when.
    pub connected_at: SystemTime,
    /// How many changes of the source's feed it has taken in ([`ChangeFeed::position`](super::ChangeFeed::position)).
    pub seen: u64,
    /// The types it subscribes to.
    pub types: Vec<TypeStatus>,
}

/// One type of a stream, at one moment.
#[derive(Clone, Debug)]
pub struct TypeStatus {
    /// The type.
    pub resource_type: ResourceType,
    /// How many names it subscribes to, those of a wildcard included.
    pub names: usize,
    /// Whether it asks for everything.
    pub wildcard: bool,
    /// Whether it has yet to be told something, or to say that it took it.
    pub pending: bool,
    /// The last answer sent.
    pub sent: Option<Sent>,
    /// The last answer acknowledged.
    pub acknowledged: Option<Acknowledged>,
    /// The last answer, when it was refused.
    pub refused: Option<Refusal>,
}

/// An answer sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The source's version.
    pub version: String,
    /// The answer's own number.
    pub nonce: String,
    /// When.
    pub at: SystemTime,
}

/// An answer in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// The source's version.
    pub version: String,
    /// When.
    pub at: SystemTime,
}

/// An answer refused; the client keeps what it had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The source's version.
    pub version: String,
    /// The answer's own number.
    pub nonce: String,
    /// Why.
    pub message: String,
    /// When.
    pub at: SystemTime,
}

/// A resource that a client has been told.
#[derive(Clone, Debug)]
pub struct Told {
    /// Its type.
    pub resource_type: ResourceType,
    /// Its name.
    pub name: Arc<str>,
    /// Its version.
    pub version: Arc<str>,
    /// What was sent; `None` when the client had this version from an earlier stream.
    pub body: Option<Arc<Any>>,
}

impl Told {
    pub(super) fn new(resource_type: ResourceType, name: &Arc<str>, known: &Known) -> Option<Self> {
        let (version, body) = match known {
            Known::Nothing | Known::Absent => return None,
            Known::Version(version) => (Arc::clone(version), None),
            Known::Resource(resource) => (Arc::clone(&resource.version), Some(Arc::clone(&resource.body))),
        };
        Some(Self { resource_type, name: Arc::clone(name), version, body })
    }
}

/// Every open stream. Cheap to clone; all clones are the same board.
#[derive(Clone, Debug, Default)]
pub struct StatusBoard {
    streams: Arc<Mutex<Streams>>,
    ids: Arc<AtomicU64>,
}

type Streams = BTreeMap<u64, Arc<Shared>>;

/// What a stream and the board share. The lock is held for moments, never across a wait.
#[derive(Debug)]
pub(super) struct Shared {
    node: Arc<Node>,
    flavour: Flavour,
    connected_at: SystemTime,
    seen: AtomicU64,
    session: Mutex<Session>,
}

/// A stream's place on the board; dropping it takes it down.
#[derive(Debug)]
pub(super) struct Entry {
    id: u64,
    board: StatusBoard,
    shared: Arc<Shared>,
}

impl StatusBoard {
    /// How many streams are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether no stream is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every open stream.
    #[must_use]
    pub fn streams(&self) -> Vec<StreamStatus> {
        let streams: Vec<_> = self.lock().iter().map(|(id, shared)| (*id, Arc::clone(shared))).collect();
        let status = |(id, shared): (u64, Arc<Shared>)| StreamStatus {
            id,
            node: Arc::clone(&shared.node),
            flavour: shared.flavour,
            connected_at: shared.connected_at,
            // Read before the session: a change that comes between shows as not seen.
            seen: shared.seen.load(Ordering::Relaxed),
            types: shared.session().status(),
        };
        streams.into_iter().map(status).collect()
    }

    /// What the client of a stream has been told; `None` when there is no such stream.
    #[must_use]
    pub fn told(&self, id: u64) -> Option<Vec<Told>> {
        let shared = Arc::clone(self.lock().get(&id)?);
        let told = shared.session().told();
        Some(told)
    }

    pub(super) fn enter(&self, node: Node, session: Session, flavour: Flavour) -> Entry {
        let id = self.ids.fetch_add(1, Ordering::Relaxed) + 1;
        let shared = Arc::new(Shared {
            node: Arc::new(node),
            flavour,
            connected_at: SystemTime::now(),
            seen: AtomicU64::new(0),
            session: Mutex::new(session),
        });
        self.lock().insert(id, Arc::clone(&shared));
        Entry { id, board: self.clone(), shared }
    }

    fn lock(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    pub(super) fn session(&self) -> MutexGuard<'_, Session> {
        self.shared.session()
    }

    /// The stream has taken in the feed up to here. To be called with the session locked, so that who reads both sees
    /// no change as taken in whose consequences are not there.
    pub(super) fn seen(&self, position: u64) {
        self.shared.seen.store(position, Ordering::Relaxed);
    }

    pub(super) fn node(&self) -> &Node {
        &self.shared.node
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.board.lock().remove(&self.id);
    }
}
