//! One stream: one request and its answer, both directions at once.

use std::{future::poll_fn, pin::pin, rc::Rc, sync::Arc, task::Poll};

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream, client::ResponseFuture, server::SendResponse};
use http::{Request, request::Parts};
use leno_engine::resilience::Failure;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{
    super::{
        access_log::Outcome,
        decide::{self, Decision, Routed},
        mirror::{self, Mirroring},
        reply::Reply,
        retry::Retries,
        view::{Answer2, Http2 as View},
    },
    body::{self, Broken},
    expiry::{Expired, due, expired, late},
    failure::{Broke, Failed, not_processed, outcome_of, reason},
    held::Held,
    message,
    upload::{Progress, Upload},
};
use crate::{
    config::{Endpoint, HttpConnectionManager, Tried},
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
    /// When the answer must have begun.
    until: Option<Instant>,
}

/// Serves one stream.
pub(super) async fn run(
    connection: Rc<Connection>,
    manager: Arc<HttpConnectionManager>,
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
) {
    let (parts, body) = request.into_parts();
    let mut body = Held::new(body);
    let grpc = message::is_grpc(&parts.headers);
    let protocol = if grpc { Protocol::Grpc } else { Protocol::Http2 };
    let callee = Callee::of(&connection, &manager.stat_prefix);
    let outcome = Outcome::new(callee, protocol, std::time::Instant::now());
    let mut exchange = Exchange { connection, manager, parts, respond, outcome, grpc };
    let view = View(&exchange.parts);
    let decision =
        decide::decide(&exchange.connection, &exchange.manager, &exchange.outcome.callee, protocol, &view, &mut body)
            .await;
    let limits = exchange.manager.limits;
    let fields = u32::try_from(exchange.parts.headers.len()).unwrap_or(u32::MAX);
    let length = message::content_length(&exchange.parts.headers);
    match decision {
        _ if fields > limits.max_headers_count => exchange.answer(&Reply::from(ErrorKind::HeadersTooLarge)),
        Decision::Answer(reply) => exchange.answer(&reply),
        Decision::Forward(routed) if routed.is_too_large(length.unwrap_or_default().max(body.length())) => {
            exchange.answer(&Reply::from(ErrorKind::BodyTooLarge));
        }
        Decision::Forward(routed) => exchange.forward(&routed, body).await,
    }
    exchange.outcome.emit(&exchange.connection, &exchange.manager, &View(&exchange.parts));
}

impl Exchange {
    /// Answers without an endpoint.
    fn answer(&mut self, reply: &Reply) {
        self.outcome.status = reply.status;
        self.outcome.flags = reply.flags;
        self.outcome.delayed |= reply.delayed;
        self.outcome.detail.clone_from(&reply.detail);
        let (response, body) = message::reply(reply, self.grpc);
        let ends = body.is_empty() || self.parts.method == http::Method::HEAD;
        // A caller that is gone cannot be told.
        if let Ok(mut stream) = self.respond.send_response(response, ends)
            && !ends
        {
            self.outcome.response_bytes = body.len() as u64;
            drop(stream.send_data(body, true));
        }
    }

    /// Finds an endpoint that takes the request, and passes everything on.
    async fn forward(&mut self, routed: &Routed, body: Held) {
        self.outcome.delayed = routed.delayed;
        self.outcome.route.clone_from(&routed.route);
        self.outcome.cluster = Some(Arc::clone(&routed.cluster.name));
        if self.connection.direction == Direction::Outbound {
            self.outcome.callee.service = Arc::clone(&routed.cluster.service);
        }
        let _admitted = match routed.cluster.breaker.request() {
            Ok(admitted) => admitted,
            Err(error) => return self.fail(routed, error, ErrorKind::flag),
        };
        let mut tried = Tried::default();
        let mut retries = Retries::of(routed);
        let progress = Progress::new(self.outcome.started.into());
        let mirroring = self.mirroring(routed).map(Box::new);
        let mut upload = Upload::new(body, routed, mirroring, &progress);
        loop {
            let attempted = self.attempt(routed, &mut tried, &mut upload, &progress, &mut retries).await;
            (self.outcome.request_bytes, self.outcome.response_bytes) = (progress.up.get(), progress.down.get());
            self.outcome.retries = retries.resends();
            let Err((failure, error)) = attempted else {
                self.outcome.flags = retries.flags(self.outcome.flags);
                return;
            };
            match failure {
                // Claimed when it was seen, as it would have been passed back otherwise.
                Some(Failure::Answer(_)) | None => {}
                Some(failure) => drop(retries.claim(failure, progress.replayable.get())),
            }
            self.outcome.retries = retries.resends();
            let Some(wait) = retries.claimed() else {
                return self.fail(routed, error, |kind| retries.flags(kind.flag()));
            };
            let (connection, callee, protocol) = (&self.connection, &self.outcome.callee, self.outcome.protocol);
            Retried { connection, callee, protocol, reason: error.kind }.emit();
            upload.rewind();
            let until = Instant::now() + wait;
            let due = due(routed, &progress);
            tokio::select! {
                biased;
                _ = poll_fn(|cx| self.respond.poll_reset(cx)) => return drop(self.settle(Err(Broke::CallerGone))),
                () = sleep_until(due.map_or(until, |due| due.min(until))) => {}
            }
            if due.is_some_and(|due| due <= until) {
                return self.fail(routed, late(), ErrorKind::flag);
            }
        }
    }

    /// What others get of it as well.
    fn mirroring(&self, routed: &Routed) -> Option<Mirroring> {
        if routed.mirrors.is_empty() {
            return None;
        }
        let (request, ..) = message::request(&self.connection, &self.parts, routed)?;
        let question = mirror::question_of_request(&request)?;
        Some(Mirroring::new(&self.connection.worker, &routed.mirrors, question, routed.timeout))
    }

    /// Answers a request that no endpoint answered.
    fn fail(&mut self, routed: &Routed, error: ProxyError, flags: impl Fn(ErrorKind) -> &'static str) {
        let flags = flags(error.kind);
        let reply = Reply { flags, ..Reply::from(error) };
        self.answer(&reply.edited(&routed.response_edits));
    }

    /// Tries one endpoint.
    async fn attempt(
        &mut self,
        routed: &Routed,
        tried: &mut Tried,
        upload: &mut Upload<'_>,
        progress: &Progress,
        retries: &mut Retries<'_>,
    ) -> Result<(), Failed> {
        let to = self.connection.original_destination;
        let mut endpoint = routed.cluster.pick(&self.connection.worker, to, &routed.wanted(tried)).await;
        if endpoint.is_none() && tried.leaves_out() {
            tried.forget();
            endpoint = routed.cluster.pick(&self.connection.worker, to, &routed.wanted(tried)).await;
        }
        let Some(endpoint) = endpoint else {
            let text = format!("{} has no ready endpoint", routed.cluster.name);
            return Err((None, ProxyError::new(ErrorKind::NoHealthyUpstream, text)));
        };
        let _active = endpoint.enter();
        retries.begin(&endpoint);
        if self.connection.direction == Direction::Outbound {
            self.outcome.callee.workload = Arc::clone(&endpoint.workload);
        }
        self.outcome.callee.address = Some(endpoint.address);
        progress.touch();
        let open = self.open(routed, &endpoint, upload.is_empty());
        let sent = match due(routed, progress) {
            Some(due) => timeout_at(due, open).await.unwrap_or_else(|_| Err((None, late()))),
            None => open.await,
        };
        let sent = sent.inspect_err(|(failure, _)| tried.note(&endpoint, *failure))?;
        let passed = self.pass(routed, sent, upload, progress, retries).await;
        let status = progress.grpc.get().unwrap_or(self.outcome.status);
        if let Some(came) = outcome_of(&passed, status) {
            routed.cluster.report(&self.connection.worker, &endpoint, came);
        }
        self.settle(passed).inspect_err(|(failure, _)| tried.note(&endpoint, *failure))
    }

    /// Sends the head to an endpoint. `ends`: whether that is all.
    async fn open(&mut self, routed: &Routed, endpoint: &Arc<Endpoint>, ends: bool) -> Result<Sent, Failed> {
        let per_try = routed.retry.as_ref().and_then(|retry| retry.per_try_timeout);
        let until = per_try.map(|time| Instant::now() + time);
        let (worker, direction) = (&self.connection.worker, self.connection.direction);
        let connected = Http2::to(worker, direction, &routed.cluster, endpoint).await;
        let lease = connected.map_err(|error| (Some(Failure::Connect), error))?;
        self.outcome.callee.mtls = lease.connection().mtls;
        let failed = |error: &h2::Error| {
            (Some(Failure::NotProcessed), ProxyError::new(ErrorKind::UpstreamClosed, format!("HTTP/2: {error}")))
        };
        let mut send = match lease.send().ready().await {
            Ok(send) => send,
            Err(error) => {
                lease.retire();
                return Err(failed(&error));
            }
        };
        let Some((request, ids)) = message::request(&self.connection, &self.parts, routed) else {
            return Err((None, ProxyError::new(ErrorKind::BadRequest, "the rewritten target is not legal")));
        };
        self.outcome.ids = ids;
        match send.send_request(request, ends) {
            Ok((answer, stream)) => Ok(Sent { answer, body: (!ends).then_some(stream), lease, until }),
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
        upload: &mut Upload<'_>,
        progress: &Progress,
        retries: &mut Retries<'_>,
    ) -> Result<(), Broke> {
        let Sent { answer, body: stream, lease, until } = sent;
        let upload = async {
            if let Some(mut stream) = stream
                && let Err(broken) = upload.pass(&mut stream, progress).await
            {
                stream.send_reset(reason(&broken));
                return Some(broken);
            }
            None
        };
        let mut upload = pin!(upload);
        let mut expired = pin!(expired(routed, self.outcome.started.into(), until, progress));
        let mut download = pin!(self.download(routed, answer, &lease, progress, retries));
        let mut uploading = true;
        loop {
            tokio::select! {
                biased;
                result = &mut download => return result,
                broken = &mut upload, if uploading => {
                    uploading = false;
                    // An endpoint that takes no more body may still answer; a caller that is gone wants nothing.
                    match broken {
                        Some(Broken::Sender(_)) => return Err(Broke::CallerGone),
                        Some(Broken::TooLarge) => return Err(Broke::TooLarge),
                        Some(Broken::Receiver(_)) | None => {}
                    }
                }
                why = &mut expired => return Err(Broke::Expired(why)),
            }
        }
    }

    /// What the outcome of passing everything on means.
    fn settle(&mut self, result: Result<(), Broke>) -> Result<(), Failed> {
        let broke = match result {
            Ok(()) => return Ok(()),
            Err(broke) => broke,
        };
        let begun = self.outcome.status != 0;
        let (flags, detail, reason) = match broke {
            Broke::CallerGone => {
                (ErrorKind::DownstreamClosed.flag(), "the caller reset the stream".to_owned(), Reason::CANCEL)
            }
            Broke::TooLarge if begun => {
                (ErrorKind::BodyTooLarge.flag(), ErrorKind::BodyTooLarge.doc().to_owned(), Reason::CANCEL)
            }
            Broke::TooLarge => {
                self.answer(&Reply::from(ErrorKind::BodyTooLarge));
                return Ok(());
            }
            Broke::Expired(why) if begun => {
                (why.kind().flag(), "the answer was not complete in time".to_owned(), Reason::CANCEL)
            }
            Broke::Expired(Expired::Arrival) => {
                let error = ProxyError::new(ErrorKind::RequestTimeout, "the request did not arrive in time");
                self.answer(&Reply::from(error));
                return Ok(());
            }
            Broke::Expired(Expired::PerTry) => {
                let error = ProxyError::new(ErrorKind::UpstreamTimeout, "no answer in the time of an attempt");
                return Err((Some(Failure::PerTryTimeout), error));
            }
            Broke::Expired(why) => {
                return Err((None, ProxyError::new(why.kind(), "the endpoint did not answer in time")));
            }
            Broke::Status(status) => {
                let error = ProxyError::new(ErrorKind::UpstreamStatus, format!("answered with {status}"));
                return Err((Some(Failure::Answer(status)), error));
            }
            Broke::Upstream(reason) if begun => {
                let detail = format!("the endpoint broke off its answer: {reason:?}");
                (ErrorKind::UpstreamReset.flag(), detail, reason.unwrap_or(Reason::INTERNAL_ERROR))
            }
            Broke::Upstream(reason) => {
                let failure =
                    if reason == Some(Reason::REFUSED_STREAM) { Failure::NotProcessed } else { Failure::Reset };
                let text = match reason {
                    Some(reason) => format!("the endpoint reset the stream: {reason}"),
                    None => "the endpoint closed the connection".to_owned(),
                };
                return Err((Some(failure), ProxyError::new(ErrorKind::UpstreamReset, text)));
            }
        };
        (self.outcome.flags, self.outcome.detail) = (flags, detail);
        self.respond.send_reset(reason);
        Ok(())
    }

    /// Passes interim answers down until the final one is there. A caller that is gone ends the wait.
    async fn interim(&mut self, answer: &mut ResponseFuture) -> Result<(), Broke> {
        loop {
            let respond = &mut self.respond;
            let interim = poll_fn(|cx| match respond.poll_reset(cx) {
                Poll::Ready(_) => Poll::Ready(Err(Broke::CallerGone)),
                Poll::Pending => answer.poll_informational(cx).map(Ok),
            });
            let Some(Ok(response)) = interim.await? else { return Ok(()) };
            let (parts, ()) = response.into_parts();
            let mut interim = http::Response::new(());
            (*interim.status_mut(), *interim.headers_mut()) = (parts.status, parts.headers);
            self.respond.send_informational(interim).map_err(|_| Broke::CallerGone)?;
        }
    }

    /// Passes the answer down.
    async fn download(
        &mut self,
        routed: &Routed,
        mut answer: ResponseFuture,
        lease: &Lease,
        progress: &Progress,
        retries: &mut Retries<'_>,
    ) -> Result<(), Broke> {
        self.interim(&mut answer).await?;
        let response = match answer.await {
            Ok(response) => response,
            Err(error) => {
                // GOAWAY and broken connections: the next request needs another one.
                if error.is_io() || error.is_go_away() {
                    lease.retire();
                }
                return Err(Broke::Upstream(error.reason().or(not_processed(&error))));
            }
        };
        let (parts, body) = response.into_parts();
        let status = parts.status.as_u16();
        if retries.claim_answer(&Answer2(&parts), progress.replayable.get()) {
            return Err(Broke::Status(status));
        }
        retries.settle();
        progress.settled.set(true);
        self.outcome.status = status;
        progress.note_grpc(&parts.headers);
        let ends = body.is_end_stream();
        let response = message::response(parts, routed);
        let mut stream = self.respond.send_response(response, ends).map_err(|_| Broke::CallerGone)?;
        if ends {
            return Ok(());
        }
        body::pass(body, &mut stream, progress).await.map_err(|broken| match broken {
            Broken::Sender(reason) => Broke::Upstream(reason),
            Broken::Receiver(_) | Broken::TooLarge => Broke::CallerGone,
        })
    }
}
