//! One TCP connection, in the order in which things happen.

use std::{rc::Rc, sync::Arc, time::Duration};

use leno_engine::{balance, resilience::Failure, split};
use rand::RngExt as _;
use tokio::{io::AsyncReadExt as _, sync::OwnedSemaphorePermit};

use super::relay::{self, End, Relayed, Times};
use crate::{
    config::{Cluster, Endpoint, Slot, TcpProxy, Tried, Wanted, endpoint::Active},
    connection::{Admission, Callee, Connection, Direction, Payload},
    dial::{self, OnBehalf},
    error::{ErrorKind, ProxyError},
    io::Io,
    telemetry::event::{TcpFinished, TcpOpened},
};

/// How many endpoints are tried: nothing was sent yet, so that trying another is safe.
pub(crate) const ATTEMPTS: usize = 3;
/// How long a connection waits for its cluster's configuration.
pub(crate) const CONFIG: Duration = Duration::from_secs(10);
/// How much of a greeting is kept while it is not decided who reads it.
const GREETING: usize = 4 * 1024;

/// An upstream that was dialled.
#[derive(Debug)]
pub struct Opened {
    /// The stream.
    io: Io,
    /// What it said already.
    greeting: Vec<u8>,
    /// Who it is.
    callee: Callee,
    /// The cluster's name.
    cluster: Arc<str>,
    /// Its load.
    active: Active,
    /// Its place among the cluster's connections.
    place: OwnedSemaphorePermit,
}

/// An upstream that could not be had.
#[derive(Debug)]
pub struct Failed {
    /// Why not.
    error: ProxyError,
    /// Who was meant, as far as it was known.
    callee: Callee,
    /// The cluster's name.
    cluster: Arc<str>,
}

/// The outcome of dialling.
pub type Attempt = Result<Opened, Failed>;

impl Opened {
    /// Waits until the upstream has said something, or has closed. Cancelling it loses nothing.
    pub(crate) async fn hear(&mut self) {
        self.greeting.reserve(GREETING);
        // At the end, or after an error, the relay finds the same once more.
        self.io.read_buf(&mut self.greeting).await.ok();
    }
}

/// Serves a connection as bytes; `ready` is the upstream when it was dialled already.
pub async fn run(connection: &Rc<Connection>, proxy: &TcpProxy, io: Io, ready: Option<Attempt>) {
    let attempt = match ready {
        Some(attempt) => attempt,
        None => open(connection, proxy).await,
    };
    match attempt {
        Ok(opened) => relay(connection, proxy, io, opened).await,
        Err(failed) => {
            let Failed { error, callee, cluster } = failed;
            tracing::debug!(%error, destination = %connection.original_destination, "no upstream");
            TcpFinished {
                connection,
                callee: &callee,
                flags: error.kind.flag(),
                detail: &error.to_string(),
                duration: connection.opened.elapsed(),
                sent_bytes: 0,
                received_bytes: 0,
                opened: false,
                log: proxy.access_log.then_some(&*cluster),
            }
            .emit();
        }
    }
}

/// Passes bytes on until both sides are done.
async fn relay(connection: &Rc<Connection>, proxy: &TcpProxy, io: Io, opened: Opened) {
    let Opened { io: upstream, greeting, callee, cluster, active, place } = opened;
    let cells = TcpOpened { connection, callee: &callee }.emit();
    let longest = proxy.longest.map(|longest| {
        let share: f64 = rand::rng().random();
        longest.time.mul_f64(1.0 + longest.jitter / 100.0 * share)
    });
    let until = longest.map(|longest| tokio::time::Instant::from_std(connection.opened) + longest);
    let times = Times { idle: proxy.idle_timeout, until, drain: connection.drain.as_deref() };
    let Relayed { sent, received, end } =
        relay::run(io, upstream, greeting, times, &connection.worker.buffers, &cells).await;
    drop((active, place));
    let (flags, detail) = match &end {
        End::Complete => ("-", String::new()),
        End::Idle => ("SI", format!("nothing moved for {:?}", proxy.idle_timeout)),
        End::Expired => ("DT", "it has lived as long as it may".to_owned()),
        End::Drained => ("DT", "its filter chain was removed or changed, and the time to drain is over".to_owned()),
        End::Downstream(error) => (ErrorKind::DownstreamClosed.flag(), error.to_string()),
        End::Upstream(error) => (ErrorKind::UpstreamClosed.flag(), error.to_string()),
    };
    TcpFinished {
        connection,
        callee: &callee,
        flags,
        detail: &detail,
        duration: connection.opened.elapsed(),
        sent_bytes: sent,
        received_bytes: received,
        opened: true,
        log: proxy.access_log.then_some(&*cluster),
    }
    .emit();
}

/// Chooses a cluster and dials one of its endpoints, another if that fails.
///
/// # Errors
/// Why none could be had, and who was meant.
pub async fn open(connection: &Rc<Connection>, proxy: &TcpProxy) -> Attempt {
    let slot = choose(proxy);
    let name = slot.map_or(&proxy.stat_prefix, |slot| slot.name());
    let mut callee = match connection.direction {
        Direction::Inbound => Callee::of(connection, &proxy.stat_prefix),
        Direction::Outbound => Callee::of(connection, name),
    };
    let dialed = admitted(connection, proxy, slot, &mut callee).await;
    let cluster = Arc::clone(name);
    match dialed {
        Ok((io, active, place)) => Ok(Opened { io, greeting: Vec::new(), callee, cluster, active, place }),
        Err(error) => Err(Failed { error, callee, cluster }),
    }
}

/// Dials an endpoint when there is room for one more connection.
async fn admitted(
    connection: &Rc<Connection>,
    proxy: &TcpProxy,
    slot: Option<&Arc<Slot<Cluster>>>,
    callee: &mut Callee,
) -> Result<(Io, Active, OwnedSemaphorePermit), ProxyError> {
    if connection.admission == Admission::Shed {
        return Err(ProxyError::new(ErrorKind::Overload, "the proxy has as many connections as it may have"));
    }
    let cluster = cluster(slot).await?;
    let place = cluster.breaker.connection()?;
    let (io, active) = dial(connection, proxy, &cluster, callee).await?;
    Ok((io, active, place))
}

/// Dials an endpoint, another if that fails; notes in `callee` who it is.
async fn dial(
    connection: &Rc<Connection>,
    proxy: &TcpProxy,
    cluster: &Arc<Cluster>,
    callee: &mut Callee,
) -> Result<(Io, Active), ProxyError> {
    let mut tried = Tried::default();
    let mut last = ProxyError::from(ErrorKind::NoHealthyUpstream);
    let hash = proxy.by_source.then(|| balance::hash(connection.peer.ip().to_canonical().to_string().as_bytes(), 0));
    let attempts = proxy.attempts.map_or(ATTEMPTS, |attempts| attempts as usize);
    for attempt in 0..attempts {
        if let Some(backoff) = proxy.backoff.filter(|_| attempt > 0) {
            let retry = u32::try_from(attempt - 1).unwrap_or(u32::MAX);
            tokio::time::sleep(backoff.wait(retry, &mut rand::rng())).await;
        }
        let mut picked = pick(connection, cluster, hash, &tried).await;
        if picked.is_none() && proxy.attempts.is_some() {
            // Who says how often wants those tried again that were.
            tried = Tried::default();
            picked = pick(connection, cluster, hash, &tried).await;
        }
        let Some(endpoint) = picked else { break };
        tried.note(&endpoint, Some(Failure::Connect));
        let active = endpoint.enter();
        if connection.direction == Direction::Outbound {
            callee.workload = Arc::clone(&endpoint.workload);
        }
        callee.address = Some(endpoint.address);
        // Boxed, as it is over before the long part of a connection's life.
        let dialing = Box::pin(dial::dial(OnBehalf::Caller(connection), cluster, &endpoint, Payload::Tcp));
        match dialing.await {
            Ok(dialed) => {
                callee.mtls = dialed.identity.is_some();
                return Ok((dialed.io, active));
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// An endpoint that was not tried.
async fn pick(
    connection: &Connection,
    cluster: &Arc<Cluster>,
    hash: Option<u64>,
    tried: &Tried,
) -> Option<Arc<Endpoint>> {
    let wanted = Wanted { hash, tried: Some(tried), ..Wanted::default() };
    cluster.pick(&connection.worker, connection.destination(), &wanted).await
}

/// The cluster for a new connection, by lot according to the weights.
fn choose(proxy: &TcpProxy) -> Option<&Arc<Slot<Cluster>>> {
    let draw = |sum| rand::rng().random_range(0..sum);
    split::choose(&proxy.clusters, |cluster| cluster.weight, draw).map(|chosen| &chosen.cluster)
}

/// The cluster in a slot.
pub(crate) async fn cluster(slot: Option<&Arc<Slot<Cluster>>>) -> Result<Arc<Cluster>, ProxyError> {
    let Some(slot) = slot else {
        return Err(ProxyError::new(ErrorKind::NoCluster, "every cluster has the weight 0"));
    };
    match slot.known(CONFIG).await {
        Ok(Some(cluster)) => Ok(cluster),
        Ok(None) => Err(ProxyError::new(ErrorKind::NoCluster, format!("there is no cluster {}", slot.name()))),
        Err(_) => Err(ProxyError::new(ErrorKind::ConfigTimeout, format!("cluster {} is not known yet", slot.name()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::WeightedCluster;

    #[test]
    fn clusters_get_connections_by_weight() {
        let weighted = |name: &str, weight| WeightedCluster { weight, cluster: Slot::pending(name) };
        let clusters = vec![weighted("none", 0), weighted("many", 9), weighted("few", 1)];
        let proxy = TcpProxy::new("split".into(), clusters);
        let mut hits = std::collections::HashMap::new();
        for _ in 0..2000 {
            *hits.entry(choose(&proxy).unwrap().name().to_string()).or_insert(0) += 1;
        }
        assert!(!hits.contains_key("none"));
        assert!((100..300).contains(&hits["few"]), "{hits:?}");
        let nobody = TcpProxy { clusters: vec![weighted("none", 0)], ..proxy };
        assert!(choose(&nobody).is_none());
    }
}
