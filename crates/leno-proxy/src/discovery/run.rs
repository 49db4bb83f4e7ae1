//! The control thread's loop: questions from workers, answers from the control plane, and the cache in between.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::future::select_all;
use leno_model::resource_name;
use leno_proto::json::Descriptions;
use leno_xds::{
    ResourceType,
    client::{ClientState, Handle, Refused, Update},
};
use tokio::{
    sync::{Notify, mpsc, watch},
    time::{interval, sleep, sleep_until},
};

use super::{
    Question, Rejection, Snapshot,
    cache::{Cache, Known},
    source::Streams,
    store::Store,
};
use crate::config::{Key, source::SourceId};

/// How long the control plane may be away before what is on disk is used.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);
/// How often it is looked for what nobody wants any more.
const SWEEP: Duration = Duration::from_secs(5);

/// The store, and what goes with it. Only the control thread takes the lock, never across an await: it is there because
/// the stream's handler and the loop below are two tasks of that thread.
#[derive(Clone, Debug)]
pub struct Discovery {
    inner: Arc<Mutex<Inner>>,
    /// Told when an update was taken.
    changed: Arc<Notify>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    cache: Cache,
    /// What was refused last, by kind and name.
    rejected: BTreeMap<Key, String>,
}

impl Discovery {
    /// Discovery with nothing known yet.
    #[must_use]
    pub fn new(store: Store, cache: Cache) -> Self {
        let inner = Inner { store, cache, rejected: BTreeMap::new() };
        Self { inner: Arc::new(Mutex::new(inner)), changed: Arc::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an update from the stream: what cannot be used is refused by name, with the reason.
    ///
    /// # Errors
    /// What cannot be used.
    pub fn apply(&self, update: Update) -> Result<(), Refused> {
        self.apply_from(SourceId::COMMON, update)
    }

    /// As [`Self::apply`], from a source of its own.
    ///
    /// # Errors
    /// What cannot be used.
    pub(super) fn apply_from(&self, source: SourceId, update: Update) -> Result<(), Refused> {
        let refused = self.inner().apply(source, update);
        self.changed.notify_one();
        if refused.resources.is_empty() { Ok(()) } else { Err(refused) }
    }

    /// As [`Self::run`], for a sidecar: its one stream brings the trust bundle too.
    pub async fn follow(self, handle: Handle, questions: mpsc::Receiver<Question>) {
        // Only the end of the client keeps it from being asked for, and then there is nothing to follow.
        if handle.subscribe(ResourceType::Secret, [resource_name::TRUST_BUNDLE]).await.is_ok() {
            self.run(Streams::all(&handle), questions).await;
        }
    }

    /// Answers workers and keeps the subscriptions, for ever.
    pub async fn run(self, mut streams: Streams, mut questions: mpsc::Receiver<Question>) {
        let mut states = streams.watched();
        let mut sweep = interval(SWEEP);
        let mut offline_since = Some(Instant::now());
        loop {
            let connected = states.iter().all(|state| state.borrow().is_connected());
            offline_since = if connected { None } else { Some(offline_since.unwrap_or_else(Instant::now)) };
            let patience = offline_since.map(|since| (since + PATIENCE).saturating_duration_since(Instant::now()));
            let offline = patience.is_some_and(|left| left.is_zero());
            if offline {
                self.inner().restore();
            }
            if !self.subscribe(&mut streams).await {
                return;
            }
            // Now that it is known until when what was asked for is waited for.
            let next = self.inner().store.settle(Instant::now());
            tokio::select! {
                question = questions.recv() => match question {
                    Some(question) => self.inner().answer(question, connected),
                    None => return,
                },
                () = self.changed.notified() => {}
                alive = changed(&mut states) => if !alive { return },
                _ = sweep.tick() => if !self.unsubscribe(&mut streams).await { return },
                () = at(next) => {}
                () = sleep(patience.unwrap_or_default()), if patience.is_some() && !offline => {}
            }
        }
    }

    /// Subscribes to what is newly wanted; `false` when a stream's task has ended. What nobody can be asked for is not
    /// there.
    async fn subscribe(&self, streams: &mut Streams) -> bool {
        let now = Instant::now();
        let wanted = self.inner().store.take_wanted(now);
        for ((kind, source), names) in grouped(wanted) {
            let asked = match streams.of(kind, source, || self.inner().store.registry().find_source(source)) {
                Some(feed) => feed.subscribe(kind, names).await,
                None => {
                    let mut inner = self.inner();
                    for name in names {
                        tracing::warn!(%kind, name, "nobody can be asked for it: it is in no file, and there is no server");
                        inner.store.remove(&Key { kind, source, name: name.into() }, now);
                    }
                    Ok(())
                }
            };
            if asked.is_err() && !lost(streams, kind, source) {
                return false;
            }
        }
        true
    }

    /// Unsubscribes from what nobody wants any more; `false` when the stream's task has ended.
    async fn unsubscribe(&self, streams: &mut Streams) -> bool {
        let unwanted = self.inner().sweep();
        for ((kind, source), names) in grouped(unwanted) {
            if let Some(feed) = streams.known(kind, source)
                && feed.unsubscribe(kind, names).await.is_err()
                && !lost(streams, kind, source)
            {
                return false;
            }
        }
        streams.retain(|source| self.inner().store.registry().find_source(source).is_some());
        true
    }
}

/// After the task of a stream has ended: that of a source of its own is begun anew for what is asked next. `false` when it was
/// the common one, without which nothing goes on.
fn lost(streams: &mut Streams, kind: ResourceType, source: SourceId) -> bool {
    tracing::error!(%kind, ?source, "a stream of configuration has ended unexpectedly");
    streams.forget(source)
}

/// Waits until one of these has changed; for ever when there are none. `false` when its stream's task has ended.
async fn changed(states: &mut [watch::Receiver<ClientState>]) -> bool {
    if states.is_empty() {
        return std::future::pending().await;
    }
    let changes = states.iter_mut().map(|state| Box::pin(state.changed()));
    select_all(changes).await.0.is_ok()
}

/// Waits until then; for ever when there is nothing to wait for.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}

/// The names of each kind and source.
fn grouped(keys: Vec<Key>) -> BTreeMap<(ResourceType, SourceId), Vec<String>> {
    let mut groups = BTreeMap::<_, Vec<String>>::new();
    for Key { kind, source, name } in keys {
        groups.entry((kind, source)).or_default().push(name.to_string());
    }
    groups
}

impl Inner {
    /// Takes an update.
    fn apply(&mut self, source: SourceId, update: Update) -> Refused {
        let kind = update.resource_type;
        let now = Instant::now();
        let mut refused = Refused::default();
        let mut descriptions = None;
        for resource in update.resources {
            let key = Key { kind, source, name: Arc::clone(&resource.name) };
            match self.store.update(&key, &resource.body, now) {
                Ok(()) => {
                    self.rejected.remove(&key);
                    self.cache.write(&key, &Known::Is((*resource.body).clone()));
                }
                Err(rejected) => {
                    // Where one is wrong others may be, and each would read them to name its fields.
                    descriptions.get_or_insert_with(Descriptions::hold);
                    let reason = rejected.to_string();
                    tracing::warn!(%kind, name = &*resource.name, reason, "configuration refused");
                    self.without(&key, now);
                    self.rejected.insert(key, reason.clone());
                    refused.resources.push((resource.name, reason));
                }
            }
        }
        for name in update.removed {
            let key = Key { kind, source, name };
            self.store.remove(&key, now);
            self.rejected.remove(&key);
            self.cache.write(&key, &Known::Absent);
        }
        self.store.settle(now);
        refused
    }

    /// After a refusal: where nothing good is in use, what was so before a restart is; else nobody waits for it. A listener
    /// stays unknown, because a connection to what is not there is passed on as it is.
    fn without(&mut self, key: &Key, now: Instant) {
        if !self.store.is_pending(key) {
            return;
        }
        let restored = match self.cache.read(key) {
            Some(Known::Is(body)) => self.store.update(key, &body, now).is_ok(),
            Some(Known::Absent) | None => false,
        };
        if !restored && key.kind != ResourceType::Listener {
            self.store.remove(key, now);
        }
    }

    /// Uses what is on disk for everything of which nothing is known. What that refers to is wanted in turn, so it goes
    /// on until nothing new is wanted.
    fn restore(&mut self) {
        let now = Instant::now();
        loop {
            let mut found = false;
            for key in self.store.pending() {
                match self.cache.read(&key) {
                    Some(Known::Is(body)) => found |= self.store.update(&key, &body, now).is_ok(),
                    // Nothing is known of it, and nobody can be asked: waiting goes on.
                    None => {}
                    Some(Known::Absent) => {
                        self.store.remove(&key, now);
                        found = true;
                    }
                }
            }
            if !found {
                return;
            }
        }
    }

    /// Forgets what nobody wants any more.
    fn sweep(&mut self) -> Vec<Key> {
        let gone = self.store.sweep();
        for key in &gone {
            self.cache.forget(key);
            self.rejected.remove(key);
        }
        gone
    }

    /// Answers a question. Who asked may be gone.
    fn answer(&mut self, question: Question, connected: bool) {
        match question {
            Question::Destination(destination, reply) => {
                let name = resource_name::outbound_listener(destination);
                drop(reply.send(self.store.listener(&name)));
            }
            Question::Snapshot(reply) => drop(reply.send(self.snapshot(connected))),
        }
    }

    fn snapshot(&self, connected: bool) -> Snapshot {
        let registry = self.store.registry();
        let mut listeners = self.store.listeners();
        listeners.sort_by(|a, b| a.name().cmp(b.name()));
        let mut routes: Vec<_> = registry.all_routes().collect();
        routes.sort_by(|a, b| a.name().cmp(b.name()));
        let mut clusters: Vec<_> = registry.clusters().collect();
        clusters.sort_by(|a, b| a.name().cmp(b.name()));
        let rejected = |(key, reason): (&Key, &String)| Rejection {
            kind: key.kind,
            name: Arc::clone(&key.name),
            reason: reason.clone(),
        };
        Snapshot {
            connected,
            listeners,
            routes,
            clusters,
            endpoints: registry.all_endpoints().count() as u64,
            rejected: self.rejected.iter().map(rejected).collect(),
            counts: self.store.counts(),
        }
    }
}
