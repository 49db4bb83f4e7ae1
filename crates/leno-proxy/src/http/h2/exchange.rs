//! One stream: one request and its answer, both directions at once.

use std::{cell::Cell, net::SocketAddr, rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream, client::ResponseFuture, server::SendResponse};
use http::{Request, request::Parts};
use leno_engine::resilience::{Failure, Retry};
use tokio::time::Instant;

use super::{
    super::{
        access_log::Outcome,
        decide::{self, Decision, Routed},
        reply::Reply,
        view::Http2 as View,
    },
    body::{self, Broken},
    message,
};
use crate::{
    config::HttpConnectionManager,
    connection::{Callee, Connection, Direction},
    error::{ErrorKind, ProxyError},
    telemetry::event::{Protocol, Retried},
    upstream::{Http2, Lease},
};

/// A stream under way.
struct Exchange {
    connection: Rc<Connection>,
    manager: Arc<HttpConnectionManager>,
    parts: Parts,
    respond: SendResponse<Bytes>,
    outcome: Outcome,
    grpc: bool,
}

/// An endpoint that took the request.
struct Sent {
    answer: ResponseFuture,
    body: Option<SendStream<Bytes>>,
    lease: Lease,
}

/// Serves one stream.
pub(super) async fn run(
    connection: Rc<Connection>,
    manager: Arc<HttpConnectionManager>,
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
) {
    let (parts, body) = request.into_parts();
    let grpc = message::is_grpc(&parts.headers);
    let protocol = if grpc { Protocol::Grpc } else { Protocol::Http2 };
    let callee = Callee::of(&connection, &manager.stat_prefix);
    let outcome = Outcome::new(callee, protocol, std::time::Instant::now());
    let mut exchange = Exchange { connection, manager, parts, respond, outcome, grpc };
    let view = View(&exchange.parts);
    let decision =
        decide::decide(&exchange.connection, &exchange.manager, &exchange.outcome.callee, protocol, &view).await;
    match decision {
        Decision::Answer(reply) => exchange.answer(&reply),
        Decision::Forward(routed) => exchange.forward(&routed, body).await,
    }
    exchange.outcome.emit(&exchange.connection, &exchange.manager, &View(&exchange.parts));
}

impl Exchange {
    /// Answers without an endpoint.
    fn answer(&mut self, reply: &Reply) {
        self.outcome.status = reply.status;
        self.outcome.flags = reply.flags;
        self.outcome.detail.clone_from(&reply.detail);
        let (response, body) = message::reply(reply, self.grpc);
        let ends = body.is_empty();
        // A caller that is gone cannot be told.
        if let Ok(mut stream) = self.respond.send_response(response, ends)
            && !ends
        {
            self.outcome.response_bytes = body.len() as u64;
            drop(stream.send_data(Bytes::from(body), true));
        }
    }

    /// Finds an endpoint that takes the request, and passes everything on.
    async fn forward(&mut self, routed: &Routed, body: RecvStream) {
        self.outcome.route.clone_from(&routed.route);
        self.outcome.cluster = Some(Arc::clone(&routed.cluster.name));
        if self.connection.direction == Direction::Outbound {
            self.outcome.callee.service = self.connection.worker.services.of(&routed.cluster.name);
        }
        let mut tried = Vec::new();
        let mut retry = Retry::default();
        let _admitted = match routed.cluster.breaker.request() {
            Ok(admitted) => admitted,
            Err(error) => return self.answer(&Reply::from(error)),
        };
        let mut body = Some(body);
        loop {
            let (failure, error) = match self.attempt(routed, &mut tried, &mut body).await {
                Ok(()) => return,
                Err(failed) => failed,
            };
            // Once its body is on the way a request is not sent again.
            let wait = retry.next(routed.retry.as_ref(), failure, body.is_some(), &mut rand::rng());
            self.outcome.retries = retry.resends();
            let Some(wait) = wait else {
                return self.answer(&Reply::from(error));
            };
            Retried {
                connection: &self.connection,
                callee: &self.outcome.callee,
                protocol: self.outcome.protocol,
                reason: error.kind,
            }
            .emit();
            tokio::time::sleep(wait).await;
        }
    }

    /// Tries one endpoint. The body is taken as soon as any of it may have gone.
    async fn attempt(
        &mut self,
        routed: &Routed,
        tried: &mut Vec<SocketAddr>,
        body: &mut Option<RecvStream>,
    ) -> Result<(), (Failure, ProxyError)> {
        let to = self.connection.original_destination;
        let mut endpoint = routed.cluster.pick(to, tried).await;
        if endpoint.is_none() && !tried.is_empty() {
            tried.clear();
            endpoint = routed.cluster.pick(to, tried).await;
        }
        let Some(endpoint) = endpoint else {
            *body = None;
            let text = format!("{} has no ready endpoint", routed.cluster.name);
            return Err((Failure::Status(503), ProxyError::new(ErrorKind::NoHealthyUpstream, text)));
        };
        tried.push(endpoint.address);
        let _active = endpoint.enter();
        if self.connection.direction == Direction::Outbound {
            self.outcome.callee.workload = Arc::clone(&endpoint.workload);
        }
        self.outcome.callee.address = Some(endpoint.address);
        let connected = Http2::to(&self.connection.worker, self.connection.direction, &routed.cluster, &endpoint).await;
        let lease = connected.map_err(|error| (Failure::Connect, error))?;
        self.outcome.callee.mtls = lease.connection().mtls;
        let ends = body.as_ref().is_none_or(RecvStream::is_end_stream);
        let sent = self.send(routed, lease, ends).await?;
        // A request without a body can be sent again; one with a body cannot once it flows.
        let upload = if ends { None } else { body.take() };
        self.pass(routed, sent, upload).await
    }

    /// Sends the head.
    async fn send(&mut self, routed: &Routed, lease: Lease, ends: bool) -> Result<Sent, (Failure, ProxyError)> {
        let failed = |error: &h2::Error| {
            (Failure::NotProcessed, ProxyError::new(ErrorKind::UpstreamClosed, format!("HTTP/2: {error}")))
        };
        let mut send = match lease.send().ready().await {
            Ok(send) => send,
            Err(error) => {
                lease.retire();
                return Err(failed(&error));
            }
        };
        let Some((request, id, trace)) = message::request(&self.connection, &self.parts, routed) else {
            let error = ProxyError::new(ErrorKind::BadRequest, "the rewritten target is not legal");
            return Err((Failure::Status(400), error));
        };
        (self.outcome.request_id, self.outcome.traceparent) = (id, trace);
        match send.send_request(request, ends) {
            Ok((answer, stream)) => Ok(Sent { answer, body: (!ends).then_some(stream), lease }),
            Err(error) => {
                lease.retire();
                Err(failed(&error))
            }
        }
    }

    /// Passes the body up and the answer down.
    async fn pass(
        &mut self,
        routed: &Routed,
        sent: Sent,
        body: Option<RecvStream>,
    ) -> Result<(), (Failure, ProxyError)> {
        let Sent { answer, body: stream, lease } = sent;
        let (up, down) = (Cell::new(0), Cell::new(0));
        let uploaded = Cell::new(None);
        let upload = async {
            if let (Some(body), Some(mut stream)) = (body, stream) {
                let passed = body::pass(body, &mut stream, &up).await;
                if let Err(broken) = passed {
                    stream.send_reset(reason(&broken));
                    return Some(broken);
                }
            }
            uploaded.set(Some(Instant::now()));
            None
        };
        let started = Instant::now();
        let expired = expired(routed, started, &uploaded, &up, &down);
        let result = {
            let download = self.download(routed, answer, &lease, &down);
            tokio::pin!(upload, download, expired);
            let mut uploading = true;
            loop {
                tokio::select! {
                    biased;
                    result = &mut download => break result,
                    broken = &mut upload, if uploading => {
                        uploading = false;
                        // An endpoint that takes no more body may still answer; a caller that is gone wants nothing.
                        if matches!(broken, Some(Broken::Sender(_))) {
                            break Err(Failed::CallerGone);
                        }
                    }
                    kind = &mut expired => break Err(Failed::Expired(kind)),
                }
            }
        };
        (self.outcome.request_bytes, self.outcome.response_bytes) = (up.get(), down.get());
        self.settle(result)
    }

    /// What the outcome of passing everything on means.
    fn settle(&mut self, result: Result<(), Failed>) -> Result<(), (Failure, ProxyError)> {
        let failed = match result {
            Ok(()) => return Ok(()),
            Err(failed) => failed,
        };
        let begun = self.outcome.status != 0;
        match failed {
            Failed::CallerGone => {
                self.outcome.flags = ErrorKind::DownstreamClosed.flag();
                "the caller reset the stream".clone_into(&mut self.outcome.detail);
                self.respond.send_reset(Reason::CANCEL);
                Ok(())
            }
            Failed::Expired(ErrorKind::RequestTimeout) if !begun => {
                let error = ProxyError::new(ErrorKind::RequestTimeout, "the request did not arrive in time");
                self.answer(&Reply::from(error));
                Ok(())
            }
            Failed::Expired(kind) if begun => {
                self.outcome.flags = kind.flag();
                "the answer was not complete in time".clone_into(&mut self.outcome.detail);
                self.respond.send_reset(Reason::CANCEL);
                Ok(())
            }
            Failed::Expired(kind) => {
                Err((Failure::PerTryTimeout, ProxyError::new(kind, "the endpoint did not answer in time")))
            }
            Failed::Upstream(reason) if begun => {
                self.outcome.flags = ErrorKind::UpstreamReset.flag();
                self.outcome.detail = format!("the endpoint broke off its answer: {reason:?}");
                self.respond.send_reset(reason.unwrap_or(Reason::INTERNAL_ERROR));
                Ok(())
            }
            Failed::Upstream(reason) => {
                let failure =
                    if reason == Some(Reason::REFUSED_STREAM) { Failure::NotProcessed } else { Failure::Reset };
                let text = match reason {
                    Some(reason) => format!("the endpoint reset the stream: {reason}"),
                    None => "the endpoint closed the connection".to_owned(),
                };
                Err((failure, ProxyError::new(ErrorKind::UpstreamReset, text)))
            }
        }
    }

    /// Passes the answer down.
    async fn download(
        &mut self,
        routed: &Routed,
        mut answer: ResponseFuture,
        lease: &Lease,
        moved: &Cell<u64>,
    ) -> Result<(), Failed> {
        loop {
            let interim = std::future::poll_fn(|cx| answer.poll_informational(cx)).await;
            match interim {
                Some(Ok(response)) => {
                    let (parts, ()) = response.into_parts();
                    let mut interim = http::Response::new(());
                    (*interim.status_mut(), *interim.headers_mut()) = (parts.status, parts.headers);
                    self.respond.send_informational(interim).map_err(|_| Failed::CallerGone)?;
                }
                Some(Err(_)) | None => break,
            }
        }
        let response = match answer.await {
            Ok(response) => response,
            Err(error) => {
                // GOAWAY and broken connections: the next request needs another one.
                if error.is_io() || error.is_go_away() {
                    lease.retire();
                }
                return Err(Failed::Upstream(error.reason().or(not_processed(&error))));
            }
        };
        let (parts, body) = response.into_parts();
        self.outcome.status = parts.status.as_u16();
        let ends = body.is_end_stream();
        let response = message::response(parts, routed);
        let mut stream = self.respond.send_response(response, ends).map_err(|_| Failed::CallerGone)?;
        if ends {
            return Ok(());
        }
        body::pass(body, &mut stream, moved).await.map_err(|broken| match broken {
            Broken::Sender(reason) => Failed::Upstream(reason),
            Broken::Receiver(_) => Failed::CallerGone,
        })
    }
}

/// How passing on failed.
enum Failed {
    CallerGone,
    Upstream(Option<Reason>),
    Expired(ErrorKind),
}

/// A GOAWAY from the endpoint without an error says that it did not process what it did not count.
fn not_processed(error: &h2::Error) -> Option<Reason> {
    (error.is_go_away() && error.reason() == Some(Reason::NO_ERROR)).then_some(Reason::REFUSED_STREAM)
}

/// The reason that the other side is told.
fn reason(broken: &Broken) -> Reason {
    match broken {
        Broken::Sender(reason) | Broken::Receiver(reason) => reason.unwrap_or(Reason::CANCEL),
    }
}

/// Ends when the route's time is up, or when nothing moved for its idle time.
async fn expired(
    routed: &Routed,
    started: Instant,
    uploaded: &Cell<Option<Instant>>,
    up: &Cell<u64>,
    down: &Cell<u64>,
) -> ErrorKind {
    const FAR: Duration = Duration::from_secs(24 * 3600);
    let per_try = routed.retry.as_ref().and_then(|retry| retry.per_try_timeout);
    let (mut moved, mut at) = (up.get() + down.get(), started);
    loop {
        let whole = routed.timeout.zip(uploaded.get()).map(|(timeout, done)| done + timeout);
        let attempt = if down.get() == 0 { per_try.map(|time| started + time) } else { None };
        let idle = (!routed.idle.is_zero()).then(|| at + routed.idle);
        let late = routed.arrival.filter(|_| uploaded.get().is_none() && down.get() == 0).map(|time| started + time);
        let first = [whole, attempt].into_iter().flatten().min();
        let due = first.into_iter().chain(idle).chain(late).min().unwrap_or(started + FAR);
        // The end of the upload sets a time that is not known yet: look again soon enough.
        let look = if routed.timeout.is_some() && uploaded.get().is_none() {
            Instant::now() + Duration::from_millis(50)
        } else {
            due
        };
        tokio::time::sleep_until(due.min(look)).await;
        let now = Instant::now();
        if up.get() + down.get() != moved {
            (moved, at) = (up.get() + down.get(), now);
        } else if idle.is_some_and(|idle| idle <= now) {
            return if uploaded.get().is_some() { ErrorKind::UpstreamTimeout } else { ErrorKind::StreamIdleTimeout };
        }
        if late.is_some_and(|late| late <= now) && uploaded.get().is_none() {
            return ErrorKind::RequestTimeout;
        }
        if first.is_some_and(|first| first <= now) {
            return ErrorKind::UpstreamTimeout;
        }
    }
}
