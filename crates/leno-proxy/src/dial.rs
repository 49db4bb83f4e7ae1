//! Dialling an endpoint: TCP, the mark that keeps it from being redirected again, and mesh TLS.

use std::rc::Rc;

use leno_model::SpiffeId;

use crate::{
    config::{Cluster, Endpoint},
    connection::{Direction, Payload},
    error::ProxyError,
    io::Io,
    worker::Worker,
};

/// A connection to an endpoint.
#[derive(Debug)]
pub struct Dialed {
    /// The stream.
    pub io: Io,
    /// The identity that the endpoint proved; `None` in plaintext.
    pub identity: Option<SpiffeId>,
}

/// Dials an endpoint of a cluster, protected as the cluster says, within its connect timeout.
///
/// # Errors
/// `UpstreamConnect`, `UpstreamTls` or `UpstreamIdentity`.
pub async fn dial(
    worker: &Rc<Worker>,
    direction: Direction,
    cluster: &Cluster,
    endpoint: &Endpoint,
    payload: Payload,
) -> Result<Dialed, ProxyError> {
    let _ = (worker, direction, cluster, endpoint, payload);
    unreachable!()
}
