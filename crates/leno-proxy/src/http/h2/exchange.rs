//! One stream: one request and its answer, both directions at once.

use std::{future::poll_fn, pin::pin, rc::Rc, sync::Arc, task::Poll, time::Duration};

use leno_engine::resilience::Failure;
use leno_http2::{Code, Head};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::{
    super::{
        access_log::Outcome,
        decide::{self, Decision, Routed},
        h1::server::admit,
        header::{self, Ids},
        mirror::{self, Mirroring},
        reply::Reply,
        retry::Retries,
        view::{Answer2, Http2 as View},
    },
    body::{self, Broken},
    called::Called,
    expiry::{Expired, due, expired, late},
    failure::{Broke, Failed, outcome_of, reason},
    held::Held,
    message,
    translate::Translated,
    upload::{Progress, Upload},
};
use crate::{
    config::{Endpoint, HttpConnectionManager, HttpProtocol, Tried},
    connection::{Callee, Connection, Direction},
    dial::OnBehalf,
    error::{ErrorKind, ProxyError},
    h2::{Request, Stream},
    telemetry::event::{Protocol, Retried},
    upstream::{Http1, Http2, Key},
};

/// A stream under way.
struct Exchange<'a> {
    connection: Rc<Connection>,
    manager: Arc<HttpConnectionManager>,
    caller: &'a Stream,
    head: &'a Head,
    outcome: Outcome,
    grpc: bool,
}

/// An endpoint that took the request.
struct Sent {
    callee: Called,
    /// Whether the head was all.
    ended: bool,
    /// When the answer must have begun.
    until: Option<Instant>,
}

/// Serves one stream.
pub(super) async fn run(connection: Rc<Connection>, manager: Arc<HttpConnectionManager>, request: Request) {
    let Request { stream: caller, head } = request;
    let grpc = message::is_grpc(&head);
    let protocol = if grpc { Protocol::Grpc } else { Protocol::Http2 };
    let callee = Callee::of(&connection, &manager.stat_prefix);
    let outcome = Outcome::new(callee, protocol, std::time::Instant::now());
    let mut exchange = Exchange { connection, manager, caller: &caller, head: &head, outcome, grpc };
    let limits = exchange.manager.limits;
    let fields = u32::try_from(head.len()).unwrap_or(u32::MAX);
    if head.is_too_large() || fields > limits.max_headers_count {
        exchange.answer(&Reply::from(ErrorKind::HeadersTooLarge)).await;
        return exchange.outcome.emit(&exchange.connection, &exchange.manager, &View(&head));
    }
    let view = View(&head);
    let mut body = Held::new(&caller);
    let (connection, manager, callee) = (&exchange.connection, &exchange.manager, &exchange.outcome.callee);
    let decision = decide::decide(connection, manager, callee, protocol, &view, &mut body).await;
    let length = head.content_length().unwrap_or_default().max(body.length());
    match decision {
        Decision::Answer(reply) => exchange.answer(&reply).await,
        Decision::Forward(routed) if routed.is_too_large(length) => {
            exchange.answer(&Reply::from(ErrorKind::BodyTooLarge)).await;
        }
        Decision::Forward(routed) => exchange.forward(&routed, body).await,
    }
    exchange.outcome.emit(&exchange.connection, &exchange.manager, &view);
}

impl Exchange<'_> {
    /// Answers without an endpoint.
    async fn answer(&mut self, reply: &Reply) {
        self.outcome.status = reply.status;
        self.outcome.flags = reply.flags;
        self.outcome.delayed |= reply.delayed;
        self.outcome.detail.clone_from(&reply.detail);
        let understood = message::understood(reply, self.grpc);
        let length = matches!(understood, std::borrow::Cow::Borrowed(_));
        let ends = understood.body.is_empty() || self.head.method() == "HEAD";
        // A caller that is gone cannot be told.
        if self.caller.send_head(ends, |writer| message::reply(writer, &understood, length)).is_err() || ends {
            return;
        }
        let body = understood.body.clone();
        self.outcome.response_bytes = body.len() as u64;
        let sent = body::send(self.caller, body, true);
        match self.manager.limits.stream_idle_timeout {
            Duration::ZERO => drop(sent.await),
            time => drop(timeout(time, sent).await),
        }
    }

    /// Finds an endpoint that takes the request, and passes everything on.
    async fn forward(&mut self, routed: &Routed, body: Held<'_>) {
        self.outcome.delayed = routed.delayed;
        self.outcome.route.clone_from(&routed.route);
        self.outcome.cluster = Some(Arc::clone(&routed.cluster.name));
        if self.connection.direction == Direction::Outbound {
            self.outcome.callee.service = Arc::clone(&routed.cluster.service);
        }
        let admitted = match routed.cluster.protocol {
            HttpProtocol::Http1 => admit(routed).await.map(|(request, turn)| (request, Some(turn))),
            HttpProtocol::Http2 | HttpProtocol::AsCaller => {
                routed.cluster.breaker.request().map(|request| (request, None))
            }
        };
        let _admitted = match admitted {
            Ok(admitted) => admitted,
            Err(error) => return self.fail(routed, error, ErrorKind::flag).await,
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
                return self.fail(routed, error, |kind| retries.flags(kind.flag())).await;
            };
            let (connection, callee, protocol) = (&self.connection, &self.outcome.callee, self.outcome.protocol);
            Retried { connection, callee, protocol, reason: error.kind }.emit();
            upload.rewind();
            let until = Instant::now() + wait;
            let due = due(routed, &progress);
            tokio::select! {
                biased;
                _ = poll_fn(|cx| self.caller.poll_over(cx)) => return drop(self.settle(Err(Broke::CallerGone)).await),
                () = sleep_until(due.map_or(until, |due| due.min(until))) => {}
            }
            if due.is_some_and(|due| due <= until) {
                return self.fail(routed, late(), ErrorKind::flag).await;
            }
        }
    }

    /// What others get of it as well.
    fn mirroring(&self, routed: &Routed) -> Option<Mirroring> {
        if routed.mirrors.is_empty() || !message::is_legal(routed) {
            return None;
        }
        let header = |name: &str| self.head.value(name);
        let ids = Ids::of(routed, header);
        let changes = header::request(&self.connection, routed, &ids, header);
        let question = mirror::question_of_request(self.head, routed, &changes)?;
        Some(Mirroring::new(&self.connection.worker, &routed.mirrors, question, routed.timeout))
    }

    /// Answers a request that no endpoint answered.
    async fn fail(&mut self, routed: &Routed, error: ProxyError, flags: impl Fn(ErrorKind) -> &'static str) {
        let flags = flags(error.kind);
        let reply = Reply { flags, ..Reply::from(error) };
        self.answer(&reply.edited(&routed.response_edits)).await;
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
        let to = routed.destination;
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
        routed.chose(&endpoint);
        retries.begin(&endpoint);
        if self.connection.direction == Direction::Outbound {
            self.outcome.callee.workload = Arc::clone(&endpoint.workload);
        }
        self.outcome.callee.address = Some(endpoint.address);
        progress.touch();
        let resent = retries.resends() > 0;
        let open = self.open(routed, &endpoint, upload.is_empty(), resent);
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
        self.settle(passed).await.inspect_err(|(failure, _)| tried.note(&endpoint, *failure))
    }

    /// Sends the head to an endpoint. `ends`: whether that is all; `resent`: whether it was sent before.
    async fn open(
        &mut self,
        routed: &Routed,
        endpoint: &Arc<Endpoint>,
        ends: bool,
        resent: bool,
    ) -> Result<Sent, Failed> {
        let per_try = routed.retry.as_ref().and_then(|retry| retry.per_try_timeout);
        let until = per_try.map(|time| Instant::now() + time);
        if !message::is_legal(routed) {
            return Err((None, ProxyError::new(ErrorKind::BadRequest, "the rewritten target is not legal")));
        }
        self.outcome.ids = Ids::of(routed, |name| self.head.value(name));
        let ids = self.outcome.ids;
        let changes = header::request(&self.connection, routed, &ids, |name| self.head.value(name));
        let (worker, for_whom, head) = (&self.connection.worker, OnBehalf::Caller(&self.connection), self.head);
        let unreachable = |error| (Some(Failure::Connect), error);
        if routed.cluster.protocol == HttpProtocol::Http1 {
            let key = Key::new(for_whom, &routed.cluster, endpoint);
            let waited = if resent { None } else { Http1::waited(worker, &key) };
            let upstream = match waited {
                Some(waited) => waited,
                None => Http1::dial(for_whom, &routed.cluster, endpoint, key).await.map_err(unreachable)?,
            };
            self.outcome.callee.mtls = upstream.mtls;
            let translated = Translated::new(worker, routed, upstream, (head, changes.as_slice(), ends));
            return Ok(Sent { callee: Called::Http1(Box::new(translated)), ended: ends, until });
        }
        let lease = Http2::to(for_whom, &routed.cluster, endpoint).await.map_err(unreachable)?;
        self.outcome.callee.mtls = lease.connection().mtls;
        let kind = (ends, head.method() == "HEAD");
        let opened = poll_fn(|cx| {
            lease.link().poll_open(cx, kind, &mut |writer| message::request(writer, head, routed, &changes))
        });
        match opened.await {
            Ok(stream) => Ok(Sent { callee: Called::Http2 { stream, _lease: lease }, ended: ends, until }),
            Err(error) => {
                let text = format!("HTTP/2: {error}");
                Err((Some(Failure::NotProcessed), ProxyError::new(ErrorKind::UpstreamClosed, text)))
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
        let Sent { callee, ended, until } = sent;
        let upload = async {
            if !ended && let Err(broken) = upload.pass(&callee, progress).await {
                callee.reset(reason(&broken));
                return Some(broken);
            }
            None
        };
        let mut upload = pin!(upload);
        let mut expired = pin!(expired(routed, self.outcome.started.into(), until, progress));
        let mut download = pin!(self.download(routed, &callee, progress, retries));
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
    async fn settle(&mut self, result: Result<(), Broke>) -> Result<(), Failed> {
        let broke = match result {
            Ok(()) => return Ok(()),
            Err(broke) => broke,
        };
        let begun = self.outcome.status != 0;
        let (flags, detail, reason) = match broke {
            Broke::CallerGone => {
                (ErrorKind::DownstreamClosed.flag(), "the caller reset the stream".to_owned(), Code::CANCEL)
            }
            Broke::TooLarge if begun => {
                (ErrorKind::BodyTooLarge.flag(), ErrorKind::BodyTooLarge.doc().to_owned(), Code::CANCEL)
            }
            Broke::TooLarge => {
                self.answer(&Reply::from(ErrorKind::BodyTooLarge)).await;
                return Ok(());
            }
            Broke::Expired(why) if begun => {
                (why.kind().flag(), "the answer was not complete in time".to_owned(), Code::CANCEL)
            }
            Broke::Expired(Expired::Arrival) => {
                let error = ProxyError::new(ErrorKind::RequestTimeout, "the request did not arrive in time");
                self.answer(&Reply::from(error)).await;
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
                (ErrorKind::UpstreamReset.flag(), detail, reason.unwrap_or(Code::INTERNAL_ERROR))
            }
            Broke::Upstream(reason) => {
                let failure = if reason == Some(Code::REFUSED_STREAM) { Failure::NotProcessed } else { Failure::Reset };
                let text = match reason {
                    Some(reason) => format!("the endpoint reset the stream: {reason}"),
                    None => "the endpoint closed the connection".to_owned(),
                };
                return Err((Some(failure), ProxyError::new(ErrorKind::UpstreamReset, text)));
            }
        };
        (self.outcome.flags, self.outcome.detail) = (flags, detail);
        self.caller.reset(reason);
        Ok(())
    }

    /// The final answer; interim ones are passed down. A caller that is gone ends the wait.
    async fn final_answer(&self, callee: &Called) -> Result<Head, Broke> {
        loop {
            let answer = poll_fn(|cx| match self.caller.poll_over(cx) {
                Poll::Ready(_) => Poll::Ready(Err(Broke::CallerGone)),
                Poll::Pending => callee.poll_answer(cx).map_err(|over| Broke::Upstream(over.code())),
            });
            let head = answer.await?;
            if head.status() >= 200 {
                return Ok(head);
            }
            let passed = self.caller.send_head(false, |writer| message::interim(writer, &head));
            passed.map_err(|_| Broke::CallerGone)?;
        }
    }

    /// Passes the answer down.
    async fn download(
        &mut self,
        routed: &Routed,
        callee: &Called,
        progress: &Progress,
        retries: &mut Retries<'_>,
    ) -> Result<(), Broke> {
        let head = self.final_answer(callee).await?;
        let status = head.status();
        if retries.claim_answer(&Answer2(&head), progress.replayable.get()) {
            return Err(Broke::Status(status));
        }
        retries.settle();
        progress.settled.set(true);
        self.outcome.status = status;
        progress.note_grpc(&head);
        let ends = callee.is_end();
        let passed = self.caller.send_head(ends, |writer| message::answer(writer, &head, routed));
        passed.map_err(|_| Broke::CallerGone)?;
        if ends {
            return Ok(());
        }
        body::pass(callee, self.caller, progress).await.map_err(|broken| match broken {
            Broken::Sender(code) => Broke::Upstream(code),
            Broken::Receiver(_) | Broken::TooLarge => Broke::CallerGone,
        })
    }
}
