//! Endpoints that choose by ALPN which version of HTTP is spoken (`auto_config`).

use std::rc::Rc;

use super::{Http1, Http2, Key, Lease};
use crate::{
    config::{Cluster, Endpoint},
    connection::Payload,
    dial::{self, Offer, OnBehalf},
    error::ProxyError,
};

/// A connection to an endpoint.
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once")]
pub(crate) enum Connected {
    /// By HTTP/1.1.
    Http1(Http1),
    /// A place on one by HTTP/2.
    Http2(Lease),
}

/// A connection to an endpoint: one that is there, or a new one. `fresh`: kept ones of HTTP/1.1 are passed over.
///
/// # Errors
/// As [`dial::dial`].
pub(crate) async fn either(
    for_whom: OnBehalf<'_>,
    cluster: &Cluster,
    endpoint: &Endpoint,
    fresh: bool,
) -> Result<Connected, ProxyError> {
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
    if let Some(waited) = (!fresh).then(|| Http1::waited(worker, &key)).flatten() {
        return Ok(Connected::Http1(waited));
    }
    // Whoever speaks HTTP/1.1 needs a connection for each request: nothing is gained by waiting for another's.
    let dialing = match shared.prefers_http1.get() {
        true => None,
        false => Some(shared.dialing.lock().await),
    };
    if let Some(lease) = dialing.as_ref().and_then(|_| shared.lease()) {
        return counted(lease);
    }
    let dialed = dial::dial(for_whom, cluster, endpoint, Offer::Either).await?;
    let http2 = dialed.payload == Some(Payload::Http2);
    shared.prefers_http1.set(!http2);
    match http2 {
        true => counted(Http2::begin(&shared, dialed, cluster, endpoint)),
        false => Ok(Connected::Http1(Http1::new(dialed, cluster, key))),
    }
}
