//! Active health checks of a cluster's endpoints, on the worker that used the cluster first.
//!
//! ```text
//! Cluster::pick ─► watch ─► one task per endpoint: ask (http, grpc, tcp) ─► Endpoint::check ─► who is chosen
//! ```

mod ask;
mod grpc;
mod http;

use std::{
    net::SocketAddr,
    rc::Rc,
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use leno_engine::resilience::health::{Change, CheckResult, HealthState};
use tokio::{
    sync::mpsc,
    task::{JoinSet, spawn_local},
    time::{sleep, timeout},
};

use crate::{
    config::{Cluster, Endpoint, HealthChecker},
    telemetry::event::HealthChanged,
    worker::Worker,
};

/// How often endpoints that are new are looked for.
const LOOK: Duration = Duration::from_secs(1);

/// Starts the checks of a cluster, unless somebody has.
pub(crate) fn watch(worker: &Rc<Worker>, cluster: &Arc<Cluster>) {
    let Some(checker) = &cluster.health else { return };
    if !checker.started.swap(true, Ordering::Relaxed) {
        // Not tasks of the worker: a drain does not wait for them.
        spawn_local(run(Rc::clone(worker), Arc::downgrade(cluster)));
    }
}

/// Starts the checks of all clusters that there are: where nobody asks for them one by one, they are all in use.
pub(crate) async fn watch_all(worker: Rc<Worker>) {
    let Some(known) = worker.shared.config.snapshot().await else { return };
    for cluster in known.clusters.iter().filter_map(|slot| slot.get()) {
        watch(&worker, &cluster);
    }
}

/// Waits until the endpoints that there were at first have been asked once.
pub(crate) async fn asked(checker: &HealthChecker) {
    let mut first = checker.first.subscribe();
    // Once for each of the two ways that a check can take its time, and no longer.
    drop(timeout(checker.settings.timeout * 2, first.wait_for(|first| *first)).await);
}

/// Checks endpoints as long as the cluster is in use.
async fn run(worker: Rc<Worker>, cluster: Weak<Cluster>) {
    let mut checks = JoinSet::new();
    loop {
        let Some(used) = cluster.upgrade() else { return };
        let Some(checker) = &used.health else { return };
        // It has no original destination: those clusters have no checks.
        let set = used.endpoints(SocketAddr::from(([0, 0, 0, 0], 0))).await;
        // Closed when all that begin now have been asked.
        let (asking, mut asked) = mpsc::channel(1);
        for endpoint in set.endpoints.iter().filter(|endpoint| endpoint.begin_checks(checker.ignores_new)) {
            let (worker, cluster, endpoint) = (Rc::clone(&worker), Weak::clone(&cluster), Arc::downgrade(endpoint));
            checks.spawn_local(check(worker, cluster, endpoint, asking.clone()));
        }
        drop(asking);
        if !*checker.first.borrow() {
            asked.recv().await;
            checker.first.send_replace(true);
        }
        drop((used, set));
        while checks.try_join_next().is_some() {}
        sleep(LOOK).await;
    }
}

/// Asks one endpoint again and again, as long as it and its cluster are in use. `first` is dropped after the first time.
async fn check(worker: Rc<Worker>, cluster: Weak<Cluster>, endpoint: Weak<Endpoint>, first: mpsc::Sender<()>) {
    let mut state = HealthState::default();
    let mut first = Some(first);
    loop {
        let wait = {
            let Some(cluster) = cluster.upgrade() else { return };
            let Some(checker) = &cluster.health else { return };
            state.next(&checker.settings, cluster.used.load(Ordering::Relaxed), &mut rand::rng())
        };
        sleep(wait).await;
        let (Some(cluster), Some(endpoint)) = (cluster.upgrade(), endpoint.upgrade()) else { return };
        let Some(checker) = &cluster.health else { return };
        let result = ask::ask(&worker, &cluster, checker, &endpoint).await;
        if let Some(change) = state.observe(&checker.settings, result) {
            endpoint.set_checked(change == Change::Healthy);
            HealthChanged { cluster: &cluster, endpoint: &endpoint, change }.emit();
        }
        if result == CheckResult::Passed {
            cluster.passed_check(&endpoint);
        }
        drop(first.take());
    }
}
