//! An endpoint is sent a request's head, in whichever version of HTTP it is spoken to.

use std::{future::poll_fn, sync::Arc};

use leno_engine::resilience::Failure;
use leno_http2::{Expected, StreamError};
use tokio::time::Instant;

use super::{
    super::{
        decide::{Routed, Terminates},
        header::{self, Changes, Ids},
    },
    called::Called,
    exchange::{Exchange, Sent},
    failure::Failed,
    message,
    raw::Raw,
    translate::{Line, Translated},
    tunnel::Tunnel,
};
use crate::{
    config::{Endpoint, HttpProtocol},
    connection::Payload,
    dial::{self, OnBehalf},
    error::{ErrorKind, ProxyError},
    upstream::{self, Connected, Http1, Http2, Key, Lease},
};

/// A connection could not be made.
fn unreachable(error: ProxyError) -> Failed {
    (Some(Failure::Connect), error)
}

/// A connection took no stream: the endpoint has not looked at it.
fn unsent(error: StreamError) -> Failed {
    (Some(Failure::NotProcessed), ProxyError::new(ErrorKind::UpstreamClosed, format!("HTTP/2: {error}")))
}

impl Exchange<'_> {
    /// Sends the head to an endpoint. `ends`: whether that is all; `resent`: whether it was sent before.
    pub(super) async fn open<'r>(
        &mut self,
        routed: &'r Routed,
        endpoint: &Arc<Endpoint>,
        ends: bool,
        resent: bool,
    ) -> Result<Sent<'r>, Failed> {
        let per_try = routed.retry.as_ref().and_then(|retry| retry.per_try_timeout);
        let until = per_try.map(|time| Instant::now() + time);
        if !message::is_legal(routed) {
            return Err((None, ProxyError::new(ErrorKind::BadRequest, "the rewritten target is not legal")));
        }
        self.outcome.ids = Ids::of(routed, |name| self.head.value(name));
        let ids = self.outcome.ids;
        let changes = header::request(&self.connection, routed, &ids, Some(endpoint), |name| self.head.value(name));
        let (worker, for_whom) = (&self.connection.worker, OnBehalf::Caller(&self.connection));
        let cluster = &routed.cluster;
        if routed.terminates == Terminates::Here {
            let dialed = dial::dial(for_whom, cluster, endpoint, Payload::Tcp).await.map_err(unreachable)?;
            self.outcome.callee.mtls = dialed.identity.is_some();
            return Ok(Sent { callee: Called::Bytes(Box::new(Raw::new(dialed.io))), turn: None, ended: ends, until });
        }
        let connected = match cluster.protocol {
            HttpProtocol::Http1 => {
                let key = Key::new(for_whom, cluster, endpoint);
                let waited = if resent { None } else { Http1::waited(worker, &key) };
                let upstream = match waited {
                    Some(waited) => waited,
                    None => Http1::dial(for_whom, cluster, endpoint, key).await.map_err(unreachable)?,
                };
                Connected::Http1 { upstream, turn: None }
            }
            HttpProtocol::Http2 | HttpProtocol::AsCaller => {
                Connected::Http2(Http2::to(for_whom, cluster, endpoint).await.map_err(unreachable)?)
            }
            HttpProtocol::Auto => {
                let connected = upstream::either(for_whom, cluster, endpoint, resent, routed.patience()).await;
                connected.map_err(|error| match error.kind {
                    // It waited for its turn: there is none at another endpoint either.
                    ErrorKind::UpstreamOverflow | ErrorKind::UpstreamTimeout => (None, error),
                    _ => unreachable(error),
                })?
            }
        };
        let (callee, turn) = match connected {
            Connected::Http1 { upstream, turn } => {
                self.outcome.callee.mtls = upstream.mtls;
                let host = routed.host_at(endpoint);
                let line = Line { head: self.head, changes: &changes, host, ends };
                (Called::Http1(Box::new(Translated::new(worker, routed, upstream, &line))), turn)
            }
            Connected::Http2(lease) => {
                self.outcome.callee.mtls = lease.connection().mtls;
                (self.open_stream(routed, endpoint, lease, &changes, ends).await?, None)
            }
        };
        Ok(Sent { callee, turn, ended: ends, until })
    }

    /// Opens a stream of HTTP/2.
    async fn open_stream(
        &self,
        routed: &Routed,
        endpoint: &Endpoint,
        lease: Lease,
        changes: &Changes<'_>,
        ends: bool,
    ) -> Result<Called, Failed> {
        let (head, tunnel) = (self.head, self.tunnel);
        if tunnel == Tunnel::Upgrade {
            let takes = poll_fn(|cx| lease.link().poll_takes_upgrades(cx)).await.map_err(unsent)?;
            if !takes {
                let text = format!(
                    "the endpoint takes no upgrades over HTTP/2 (RFC 8441); enable extended CONNECT there, or speak \
                     HTTP/1.1 to {}",
                    routed.cluster.name
                );
                return Err((None, ProxyError::new(ErrorKind::UpstreamUpgrade, text)));
            }
        }
        let scheme = self.manager.scheme.of(lease.connection().secure);
        let line = message::Line { head, changes, host: routed.host_at(endpoint), scheme };
        let expected = match head.method() {
            "HEAD" => Expected::Nothing,
            "CONNECT" => Expected::Tunnel,
            _ => Expected::Body,
        };
        let kind = (ends, expected);
        let opened =
            poll_fn(|cx| lease.link().poll_open(cx, kind, &mut |writer| message::request(writer, routed, &line)));
        let stream = opened.await.map_err(unsent)?;
        Ok(Called::Http2 { stream, _lease: lease })
    }
}
