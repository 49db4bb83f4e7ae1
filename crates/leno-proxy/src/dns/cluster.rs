//! Keeping the endpoints of a cluster as its names have them.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    rc::Rc,
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use futures_util::future::join_all;
use rand::RngExt as _;
use tokio::{task::spawn_local, time::sleep};

use super::Resolved;
use crate::{
    config::{
        Cluster, ClusterKind, Endpoint, EndpointSet,
        dns::{DnsEndpoints, DnsKind, Named},
    },
    worker::Worker,
};

/// Starts to ask for the endpoints of a cluster, unless somebody has.
pub(crate) fn watch(worker: &Worker, cluster: &Arc<Cluster>) {
    let ClusterKind::Dns(dns) = &cluster.kind else { return };
    // Read first, so that workers do not fight for it.
    if !dns.started.load(Ordering::Relaxed) && !dns.started.swap(true, Ordering::Relaxed) {
        // Not a task of the worker: a drain does not wait for it.
        spawn_local(run(worker.shared.settings.mark, Arc::downgrade(cluster)));
    }
}

/// Starts to ask for the endpoints of all clusters that there are.
pub(crate) async fn watch_all(worker: Rc<Worker>) {
    let Some(known) = worker.shared.config.snapshot().await else { return };
    for cluster in known.clusters.iter().filter_map(|slot| slot.get()) {
        watch(&worker, &cluster);
    }
}

/// The endpoints behind the names of a cluster, asked for once.
///
/// # Errors
/// When one of them cannot be resolved.
pub(crate) async fn endpoints(dns: &DnsEndpoints) -> io::Result<Vec<Arc<Endpoint>>> {
    let mut endpoints = Vec::new();
    for named in &dns.names {
        let found = dns.resolver.resolve(&named.host, dns.family, None).await?;
        let one = |ip: IpAddr| Arc::new(named.endpoint.at(SocketAddr::new(ip, named.port)));
        endpoints.extend(found.addresses.into_iter().map(one));
    }
    Ok(endpoints)
}

/// Asks again and again as long as the cluster is in use.
async fn run(mark: Option<u32>, cluster: Weak<Cluster>) {
    let mut last: Vec<Resolved> = Vec::new();
    let mut failures = 0;
    loop {
        let Some(used) = cluster.upgrade() else { return };
        let ClusterKind::Dns(dns) = &used.kind else { return };
        last.resize_with(dns.names.len(), Resolved::default);
        let ask = |named: &Named| {
            let host = named.host.clone();
            async move { dns.resolver.resolve(&host, dns.family, mark).await }
        };
        let answers = join_all(dns.names.iter().map(ask)).await;
        let mut failed = false;
        for ((answer, last), named) in answers.into_iter().zip(&mut last).zip(&dns.names) {
            match answer {
                // Names that are gone take their endpoints with them; a logical cluster's last one stays.
                Ok(found) => {
                    failed |= found.addresses.is_empty();
                    if dns.kind == DnsKind::Strict || !found.addresses.is_empty() {
                        *last = found;
                    }
                }
                Err(error) => {
                    failed = true;
                    tracing::debug!(cluster = %used.name, host = %named.host, %error, "cannot be resolved");
                }
            }
        }
        failures = if failed { failures + 1 } else { 0 };
        publish(dns, &last);
        let wait = wait(dns, &last, failures);
        drop(used);
        sleep(wait).await;
    }
}

/// Puts what is known in use, unless it is.
fn publish(dns: &DnsEndpoints, known: &[Resolved]) {
    let of_name = |(named, known): (&Named, &Resolved)| {
        let most = match dns.kind {
            DnsKind::Strict => usize::MAX,
            DnsKind::Logical => 1,
        };
        let addresses: Vec<_> = known.addresses.iter().take(most).copied().collect();
        let one = |ip| named.endpoint.at(SocketAddr::new(ip, named.port));
        addresses.into_iter().map(one).collect::<Vec<_>>()
    };
    let endpoints: Vec<_> = dns.names.iter().zip(known).flat_map(of_name).collect();
    let previous = dns.slot.get();
    let next = EndpointSet::new(previous.as_deref(), endpoints, dns.rules);
    let same = previous.is_some_and(|previous| {
        previous.endpoints.len() == next.endpoints.len()
            && previous.endpoints.iter().zip(&next.endpoints).all(|(old, new)| Arc::ptr_eq(old, new))
    });
    if !same {
        dns.slot.set(Arc::new(next));
    }
}

/// How long what is known is believed.
fn wait(dns: &DnsEndpoints, known: &[Resolved], failures: u32) -> Duration {
    let random: f64 = rand::rng().random();
    if failures > 0 {
        // Doubled with each failure, and anything up to that, so that proxies do not all ask at once.
        let longest = dns.failure.base.saturating_mul(1 << failures.min(16)).min(dns.failure.max);
        return longest.mul_f64(random).max(dns.failure.base);
    }
    let ttl = known.iter().filter_map(|resolved| resolved.ttl).min();
    let time = match ttl.filter(|ttl| dns.respect_ttl && !ttl.is_zero()) {
        Some(ttl) => ttl.max(dns.shortest),
        None => dns.refresh,
    };
    time + dns.jitter.mul_f64(random)
}
