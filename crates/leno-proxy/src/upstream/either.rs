//! Endpoints that choose by ALPN which version of HTTP is spoken (`auto_config`).

use std::{rc::Rc, time::Duration};

use tokio::sync::SemaphorePermit;

use super::{Http1, Http2, Key, Lease};
use crate::{
    config::{Cluster, Endpoint},
    connection::Payload,
    dial::{self, Offer, OnBehalf},
    error::ProxyError,
};

/// A connection to an endpoint.
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once")]
pub(crate) enum Connected<'c> {
    /// By HTTP/1.1.
    Http1 {
        upstream: Http1,
        /// Its turn at the cluster's breaker, to be held as long as it is used; `None`: who asked has it.
        turn: Option<SemaphorePermit<'c>>,
    },
    /// A place on one by HTTP/2.
    Http2(Lease),
}

/// A connection to an endpoint: one that is there, or a new one. `fresh`: kept ones of HTTP/1.1 are passed over;
/// `patience`: how long its turn at one of those may be waited for (`None`: without end).
///
/// # Errors
/// As [`dial::dial`] and [`CircuitBreaker::turn`](crate::config::CircuitBreaker::turn).
pub(crate) async fn either<'c>(
    for_whom: OnBehalf<'_>,
    cluster: &'c Cluster,
    endpoint: &Endpoint,
    fresh: bool,
    patience: Option<Duration>,
) -> Result<Connected<'c>, ProxyError> {
    let (worker, key) = (for_whom.worker(), Key::new(for_whom, cluster, endpoint));
    let shared = Rc::clone(worker.pools.shared.borrow_mut().entry(key.clone()).or_default());
    worker.pools.sweep(worker);
    let counted = |lease: Lease| {
        lease.count(cluster.max_requests_per_connection);
        Ok(Connected::Http2(lease))
    };
    if let Some(lease) = shared.lease() {
        return counted(lease);
    }
    let mut dialing = None;
    if !shared.prefers_http1() {
        dialing = Some(shared.dialing.lock().await);
        // Who dialed meanwhile has found out.
        if let Some(lease) = shared.lease() {
            return counted(lease);
        }
    }
    let mut turn = None;
    // Whoever speaks HTTP/1.1 needs a connection for each request: nothing is gained by waiting for another's.
    if shared.prefers_http1() {
        dialing = None;
        turn = Some(cluster.breaker.turn(patience).await?);
        if let Some(upstream) = (!fresh).then(|| Http1::waited(worker, &key)).flatten() {
            return Ok(Connected::Http1 { upstream, turn });
        }
    }
    let dialed = dial::dial(for_whom, cluster, endpoint, Offer::Either).await?;
    let http2 = dialed.payload == Some(Payload::Http2);
    shared.chose_http1(!http2);
    if http2 {
        return counted(Http2::begin(&shared, dialed, cluster, endpoint));
    }
    drop(dialing);
    if turn.is_none() {
        turn = Some(cluster.breaker.turn(patience).await?);
    }
    Ok(Connected::Http1 { upstream: Http1::new(dialed, cluster, key), turn })
}
