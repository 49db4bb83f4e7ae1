//! All objects of a kind, then every change of them, for as long as somebody listens.

use std::time::Duration;

use futures_util::{StreamExt as _, pin_mut};
use kube::{
    api::DynamicObject,
    runtime::{WatchStreamExt as _, watcher, watcher::Event},
};
use leno_manifest::Kind;
use serde_json::Value;
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tracing::{info, warn};

use crate::{Cluster, Error, resource::Resource};

/// How often is asked whether the cluster has a kind by now.
const ABSENT: Duration = Duration::from_secs(10);
/// How often in a row discovery must not find a kind until it counts as absent: behind a balancer of several API servers, one
/// that starts knows less than the others for a while, and what is taken for gone is not enforced.
const LOOKS: u32 = 3;
/// How long an answer that is no stream may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long is waited before the API server is asked again after it could not be.
const AGAIN: Duration = Duration::from_secs(2);

/// What happened to the objects of one kind.
#[derive(Clone, PartialEq)]
pub enum Change {
    /// These are all; others that were known are gone. None, when the cluster does not have the kind.
    All(Vec<Value>),
    /// This one is new or different.
    Put(Box<Value>),
    /// This one is gone.
    Gone {
        /// Its namespace; empty for a kind that lives in none.
        namespace: String,
        /// Its name.
        name: String,
    },
}

/// A change, and the kind of what changed.
#[derive(Clone, PartialEq)]
pub struct Followed {
    /// The kind.
    pub kind: Kind,
    /// What happened.
    pub change: Change,
}

/// Why a watch ended.
enum Ended {
    /// Nobody listens any more.
    Unheard,
    /// It has to begin anew, perhaps by another name; objects were listed meanwhile.
    Listed,
    /// The same, and none were.
    Unlisted,
}

/// Tells of all objects of a kind, then of changes, until nobody listens. It begins with [`Change::All`] and comes back to it
/// whenever changes may have been missed. While the API server cannot be asked nothing is told, so that what is known stays.
pub async fn follow(cluster: Cluster, kind: Kind, changes: mpsc::Sender<Followed>) {
    let mut complaint = Complaint::new(kind);
    let mut missed = 0;
    loop {
        let served = timeout(PATIENCE, cluster.served(kind)).await;
        let served = served.unwrap_or_else(|_| Err(Error::Unreachable("it does not answer".into())));
        let wait = match served {
            Ok(Some(resource)) => match watch(&cluster, &resource, kind, &changes, &mut complaint).await {
                Ended::Unheard => return,
                Ended::Listed => {
                    missed = 0;
                    AGAIN
                }
                Ended::Unlisted => AGAIN,
            },
            Ok(None) => {
                complaint.settled();
                missed += 1;
                if missed == LOOKS && tell(&changes, kind, Change::All(Vec::new())).await.is_err() {
                    return;
                }
                if missed < LOOKS { AGAIN } else { ABSENT }
            }
            Err(error) => {
                complaint.about(&error);
                AGAIN
            }
        };
        tokio::select! {
            () = sleep(wait) => {}
            () = changes.closed() => return,
        }
    }
}

async fn watch(
    cluster: &Cluster,
    resource: &Resource,
    kind: Kind,
    changes: &mpsc::Sender<Followed>,
    complaint: &mut Complaint,
) -> Ended {
    let api = resource.everywhere(&cluster.client);
    let events = watcher(api, watcher::Config::default()).default_backoff();
    pin_mut!(events);
    let mut listed = Vec::new();
    let mut ended = Ended::Unlisted;
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            () = changes.closed() => return Ended::Unheard,
        };
        let change = match event {
            Some(Ok(Event::Init)) => {
                listed.clear();
                continue;
            }
            Some(Ok(Event::InitApply(object))) => {
                listed.push(resource.json(object));
                continue;
            }
            Some(Ok(Event::InitDone)) => {
                ended = Ended::Listed;
                Change::All(std::mem::take(&mut listed))
            }
            Some(Ok(Event::Apply(object))) => Change::Put(Box::new(resource.json(object))),
            Some(Ok(Event::Delete(object))) => gone(object),
            Some(Err(error)) => {
                // A watch that cannot be started from where it was is started from there again, for ever.
                let stuck = matches!(error, watcher::Error::WatchStartFailed(_));
                let error = cause(error);
                if error.is_status(404) || (stuck && error.is_status(410)) {
                    return ended;
                }
                complaint.about(&error);
                continue;
            }
            None => return ended,
        };
        complaint.settled();
        if tell(changes, kind, change).await.is_err() {
            return Ended::Unheard;
        }
    }
}

fn gone(object: DynamicObject) -> Change {
    let metadata = object.metadata;
    Change::Gone { namespace: metadata.namespace.unwrap_or_default(), name: metadata.name.unwrap_or_default() }
}

fn cause(error: watcher::Error) -> Error {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => error.into(),
        watcher::Error::WatchError(status) => Error::refused(&status),
        watcher::Error::NoResourceVersion => Error::Unreachable("a list has no resourceVersion".into()),
    }
}

async fn tell(changes: &mpsc::Sender<Followed>, kind: Kind, change: Change) -> Result<(), ()> {
    changes.send(Followed { kind, change }).await.map_err(|_| ())
}

/// Says what is wrong, once until something else is.
struct Complaint {
    kind: Kind,
    told: Option<String>,
}

impl Complaint {
    fn new(kind: Kind) -> Self {
        Self { kind, told: None }
    }

    fn about(&mut self, error: &Error) {
        // A watch that the API server has compacted away, and begins anew by itself.
        if error.is_status(410) {
            return;
        }
        let text = error.to_string();
        if self.told.as_ref() != Some(&text) {
            self.told = Some(text);
            let kind = self.kind.unique_name();
            warn!(kind, %error, "objects are not followed; what is known of them stays in force");
        }
    }

    fn settled(&mut self) {
        if self.told.take().is_some() {
            info!(kind = self.kind.unique_name(), "objects are followed again");
        }
    }
}
