//! Keys of token issuers, fetched from their servers: one set for each worker, shared by the requests that wait for it.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use bytes::Bytes;
use leno_engine::jwt::{Jwks, KeySet, RemoteKeys};
use tokio::time::sleep;

use super::{
    AskError,
    http::{self, Question},
};
use crate::{
    config::{Cluster, Slot},
    worker::Worker,
};

/// The keys that a worker knows.
#[derive(Debug, Default)]
pub(crate) struct KeySets {
    known: RefCell<Vec<Rc<Place>>>,
}

/// Keys, and until when they are used.
type Until = (Arc<Jwks>, Instant);

/// The keys of one server.
#[derive(Debug)]
struct Place {
    /// Of whom; gone when the configuration is.
    of: Weak<RemoteKeys>,
    /// The keys, and until when they are used.
    keys: RefCell<Option<Until>>,
    /// Held while one fetches: those who wait find its keys.
    fetching: tokio::sync::Mutex<()>,
    /// Whether a task fetches them ahead.
    ahead: Cell<bool>,
}

impl KeySets {
    /// What is known of a server's keys.
    pub(crate) fn get(&self, remote: &Arc<RemoteKeys>) -> KeySet {
        self.place(remote).current().map_or(KeySet::Unknown, KeySet::Known)
    }

    fn place(&self, remote: &Arc<RemoteKeys>) -> Rc<Place> {
        let mut known = self.known.borrow_mut();
        if let Some(place) = known.iter().find(|place| std::ptr::eq(place.of.as_ptr(), Arc::as_ptr(remote))) {
            return Rc::clone(place);
        }
        known.retain(|place| place.of.strong_count() > 0);
        let place = Rc::new(Place {
            of: Arc::downgrade(remote),
            keys: RefCell::default(),
            fetching: tokio::sync::Mutex::default(),
            ahead: Cell::default(),
        });
        known.push(Rc::clone(&place));
        place
    }
}

impl Place {
    /// The keys, while they may be used.
    fn current(&self) -> Option<Arc<Jwks>> {
        let keys = self.keys.borrow();
        keys.as_ref().filter(|(_, until)| Instant::now() < *until).map(|(keys, _)| Arc::clone(keys))
    }
}

/// Keys that are not known: fetched, unless somebody else just did. `None` when they cannot be had.
pub(crate) async fn fetched(
    worker: &Rc<Worker>,
    slot: &Arc<Slot<Cluster>>,
    remote: &Arc<RemoteKeys>,
) -> Option<Arc<Jwks>> {
    let place = worker.keys.place(remote);
    if let Some(pause) = remote.ahead
        && !place.ahead.replace(true)
    {
        // Not a task of the worker: a drain does not wait for it.
        tokio::task::spawn_local(ahead(Rc::clone(worker), Arc::clone(slot), Rc::clone(&place), pause));
    }
    let _fetching = place.fetching.lock().await;
    if let Some(keys) = place.current() {
        return Some(keys);
    }
    fetch(worker, slot, remote, &place).await
}

/// Fetches keys, again and again as long as they are in use.
async fn ahead(worker: Rc<Worker>, slot: Arc<Slot<Cluster>>, place: Rc<Place>, pause: Duration) {
    loop {
        let wait = {
            let Some(remote) = place.of.upgrade() else { return };
            let until = place.keys.borrow().as_ref().map(|(_, until)| *until);
            // The first time the request that asked fetches them.
            until.map_or(pause, |until| until.saturating_duration_since(Instant::now())).min(remote.lifetime)
        };
        sleep(wait).await;
        let Some(remote) = place.of.upgrade() else { return };
        let _fetching = place.fetching.lock().await;
        if fetch(&worker, &slot, &remote, &place).await.is_none() {
            sleep(pause).await;
        }
    }
}

async fn fetch(
    worker: &Rc<Worker>,
    slot: &Arc<Slot<Cluster>>,
    remote: &Arc<RemoteKeys>,
    place: &Place,
) -> Option<Arc<Jwks>> {
    let mut failure = String::new();
    for attempt in 0..=remote.retries {
        if attempt > 0 {
            sleep(remote.backoff.wait(attempt - 1, &mut rand::rng())).await;
        }
        match ask(worker, slot, remote).await {
            Ok(keys) => {
                let keys = Arc::new(keys);
                place.keys.replace(Some((Arc::clone(&keys), Instant::now() + remote.lifetime)));
                return Some(keys);
            }
            Err(error) => failure = error.to_string(),
        }
    }
    tracing::warn!(host = &*remote.service.host, path = &*remote.service.path, failure, "keys cannot be fetched");
    None
}

async fn ask(worker: &Rc<Worker>, slot: &Slot<Cluster>, remote: &RemoteKeys) -> Result<Jwks, AskError> {
    let service = &remote.service;
    let question = Question {
        method: "GET".to_owned(),
        target: service.path.to_string(),
        host: service.host.to_string(),
        headers: Vec::new(),
        body: Bytes::new(),
    };
    let answer = http::ask(worker, slot, service.timeout, &question).await?;
    if answer.status != 200 {
        return Err(AskError::Broken(format!("answered with {}", answer.status)));
    }
    Jwks::read(&answer.body).map_err(|error| AskError::Broken(error.to_string()))
}
