//! Objects of a cluster: its API server, watched.

mod held;

use std::{collections::BTreeSet, time::Duration};

use leno_kube::{Cluster, Followed, follow};
use leno_manifest::Kind;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};
use tracing::info;

use self::held::Held;
use crate::{Source, source::Publisher};

/// The kinds that say what the mesh is.
const KINDS: &[Kind] = &[
    Kind::Namespace,
    Kind::Service,
    Kind::EndpointSlice,
    Kind::Pod,
    Kind::ConfigMap,
    Kind::TrafficTarget,
    Kind::HttpRouteGroup,
    Kind::TcpRoute,
    Kind::UdpRoute,
    Kind::TrafficSplit,
    Kind::HttpRoute,
    Kind::GrpcRoute,
    Kind::TlsRoute,
    Kind::GatewayTcpRoute,
    Kind::ReferenceGrant,
    Kind::BackendTlsPolicy,
    Kind::MeshConfig,
    Kind::AccessPolicy,
    Kind::EgressPolicy,
    Kind::TrafficPolicy,
];

/// How many changes may wait; past it the API server does.
const WAITING: usize = 1024;
/// Changes are gathered for so long, so that a burst of them is looked at once.
const GATHER: Duration = Duration::from_millis(20);
/// How often is told what is still awaited at the start.
const REMIND: Duration = Duration::from_secs(10);

/// What is followed besides what it always takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Secrets, for the certificates, and the pairs to be shown to servers, that policies name. It takes the right to read all
    /// Secrets of the cluster; nothing else of them is passed on.
    pub secrets: bool,
}

/// Reads every object of a cluster that the mesh is made of, then follows them. It is there when each kind has been listed
/// once: a mesh of which a part is not known yet would refuse what is allowed.
pub async fn start(cluster: &Cluster, extent: Extent) -> Source {
    let secrets = extent.secrets.then_some(Kind::Secret);
    let kinds: Vec<Kind> = KINDS.iter().copied().chain(secrets).collect();
    let (send, mut changes) = mpsc::channel(WAITING);
    for kind in &kinds {
        leno_runtime::task::spawn(follow(cluster.clone(), *kind, send.clone()));
    }
    let mut held = Held::default();
    list(&mut changes, &mut held, kinds.into_iter().collect()).await;
    let mut publisher = Publisher::default();
    let receivers = publisher.receivers();
    publisher.publish(held.contents());
    Source::new(receivers, update(changes, held, publisher))
}

/// Waits until all of these kinds have been listed.
async fn list(changes: &mut mpsc::Receiver<Followed>, held: &mut Held, mut awaited: BTreeSet<Kind>) {
    let mut remind = Instant::now() + REMIND;
    while !awaited.is_empty() {
        tokio::select! {
            Some(followed) = changes.recv() => {
                awaited.remove(&followed.kind);
                held.apply(followed);
            }
            () = sleep_until(remind) => {
                let names: Vec<_> = awaited.iter().map(|kind| kind.unique_name()).collect();
                info!(kinds = names.join(","), "waiting for the API server to list objects");
                remind = Instant::now() + REMIND;
            }
        }
    }
}

/// Takes changes as they come, for as long as the source lives.
async fn update(mut changes: mpsc::Receiver<Followed>, mut held: Held, mut publisher: Publisher) {
    while let Some(first) = changes.recv().await {
        let mut changed = held.apply(first);
        sleep(GATHER).await;
        while let Ok(next) = changes.try_recv() {
            changed |= held.apply(next);
        }
        if changed {
            publisher.publish(held.contents());
        }
    }
}
