//! Services that filters ask about requests: each is reached over a cluster, with its balancing, TLS, health and limits.
//!
//! ```text
//! filter ─► grpc::unary / http::ask ─► cluster: breaker ─► endpoint ─► pooled connection ─► the answer, all of it, in time
//! ```
//!
//! It is a door for wire types: `authorization` and `rate_limit` speak protobuf with others, and plain values inside.

pub(crate) mod authorization;
pub(crate) mod grpc;
pub(crate) mod http;
pub(crate) mod keys;
pub(crate) mod rate_limit;

use std::{
    net::{Ipv4Addr, SocketAddr},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use tokio::time::timeout;

use crate::{
    config::{Cluster, Endpoint, Slot, Wanted, endpoint::Active},
    error::ProxyError,
    worker::Worker,
};

/// How long a question waits for its cluster's configuration.
pub(crate) const CONFIG: Duration = Duration::from_secs(5);
/// How many bytes of an answer are read; one that has more counts as none.
pub(crate) const ANSWER: usize = 4 * 1024 * 1024;
/// How often a question that cannot have been read is asked again, on other connections.
const SAFE: u32 = 2;

/// Why a service gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    /// There is no such cluster, or it is not known in time.
    #[error("there is no cluster {0}")]
    NoCluster(Box<str>),
    /// None of its endpoints is ready.
    #[error("{0} has no ready endpoint")]
    NoEndpoint(Box<str>),
    /// Its breaker is open, or no connection could be made.
    #[error(transparent)]
    Unreachable(#[from] ProxyError),
    /// The connection broke, or what came is no answer.
    #[error("{0}")]
    Broken(String),
    /// What is asked cannot be put into a request.
    #[error("the question is no legal request")]
    Question,
    /// A status of gRPC.
    #[error("gRPC status {0}: {1}")]
    Status(u32, String),
    /// There was no answer in time.
    #[error("no answer within {0:?}")]
    Late(Duration),
}

/// How one attempt failed.
enum Failed {
    /// The endpoint cannot have read the question.
    Unread(AskError),
    /// It may have.
    Read(AskError),
}

/// An endpoint that is asked.
struct Asked {
    cluster: Arc<Cluster>,
    endpoint: Arc<Endpoint>,
    _active: Active,
}

/// The cluster in a slot.
async fn cluster(slot: &Slot<Cluster>) -> Result<Arc<Cluster>, AskError> {
    let known = slot.known(CONFIG).await.ok().flatten();
    known.ok_or_else(|| AskError::NoCluster((&**slot.name()).into()))
}

/// Chooses an endpoint.
async fn choose(worker: &Rc<Worker>, cluster: &Arc<Cluster>) -> Result<Asked, AskError> {
    // Questions have no original destination.
    let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let endpoint = cluster.pick(worker, nowhere, &Wanted::default()).await;
    let endpoint = endpoint.ok_or_else(|| AskError::NoEndpoint((&*cluster.name).into()))?;
    Ok(Asked { cluster: Arc::clone(cluster), _active: endpoint.enter(), endpoint })
}

/// Asks until somebody may have read the question, within the time.
async fn within<T>(time: Option<Duration>, ask: impl AsyncFn(bool) -> Result<T, Failed>) -> Result<T, AskError> {
    let asking = async {
        for attempt in 0..SAFE {
            match ask(attempt > 0).await {
                Ok(answer) => return Ok(answer),
                Err(Failed::Unread(_)) => {}
                Err(Failed::Read(error)) => return Err(error),
            }
        }
        ask(true).await.map_err(|failed| match failed {
            Failed::Unread(error) | Failed::Read(error) => error,
        })
    };
    match time {
        Some(time) => timeout(time, asking).await.unwrap_or(Err(AskError::Late(time))),
        None => asking.await,
    }
}
