//! One stream: one request and its answer, both directions at once. A request of HTTP/1.1 whose endpoint speaks HTTP/2 is
//! one as well.

use std::{future::poll_fn, pin::pin, rc::Rc, sync::Arc, task::Poll};

use leno_engine::resilience::Failure;
use leno_http2::{Code, Head};
use tokio::{
    sync::SemaphorePermit,
    time::{Instant, sleep_until, timeout_at},
};

use super::{
    super::{
        access_log::Outcome,
        decide::{self, Decision, Routed, Terminates},
        h1::server::admit,
        header::{self, Ids},
        mirror::{self, Mirroring},
        reply::Reply,
        retry::Retries,
        view::{Answer2, Http2 as View},
    },
    body::{self, Broken},
    called::Called,
    caller::Caller,
    expiry::{due, expired, late},
    failure::{Broke, Failed, outcome_of, reason},
    held::Held,
    message,
    tunnel::Tunnel,
    upload::{Progress, Upload},
};
use crate::{
    config::{HttpConnectionManager, HttpProtocol, Tried, Underscores},
    connection::{Callee, Connection, Direction},
    error::{ErrorKind, ProxyError},
    h2::{Over, Request},
    telemetry::event::{Protocol, Retried},
};

/// A stream under way.
pub(super) struct Exchange<'a> {
    pub(super) connection: Rc<Connection>,
    pub(super) manager: Arc<HttpConnectionManager>,
    pub(super) caller: &'a Caller<'a>,
    pub(super) head: &'a Head,
    pub(super) outcome: Outcome,
    pub(super) grpc: bool,
    /// What the request asks for besides an answer.
    pub(super) tunnel: Tunnel,
}

/// An endpoint that took the request.
pub(super) struct Sent<'r> {
    pub(super) callee: Called,
    /// Its turn on a connection of HTTP/1.1, where the endpoint chose that.
    pub(super) turn: Option<SemaphorePermit<'r>>,
    /// Whether the head was all.
    pub(super) ended: bool,
    /// When the answer must have begun.
    pub(super) until: Option<Instant>,
}

/// Serves one stream.
pub(super) async fn run(connection: Rc<Connection>, manager: Arc<HttpConnectionManager>, request: Request) {
    let Request { stream, mut head } = request;
    let found = manager.underscores.find(head.fields().map(|(name, _)| name));
    let refused = found.filter(|_| manager.underscores == Underscores::Reject).map(Underscores::refused);
    if found.is_some() {
        head.retain(|name| !name.contains(&b'_'));
    }
    let caller = Caller::Http2(stream);
    let grpc = message::is_grpc(&head);
    let protocol = if grpc { Protocol::Grpc } else { Protocol::Http2 };
    let callee = Callee::of(&connection, &manager.stat_prefix);
    let outcome = Outcome::new(callee, protocol, std::time::Instant::now());
    let tunnel = Tunnel::of(&head);
    let mut exchange = Exchange { connection, manager, caller: &caller, head: &head, outcome, grpc, tunnel };
    if let Some(error) = refused {
        exchange.outcome.flags = error.kind.flag();
        exchange.outcome.detail = error.to_string();
        exchange.caller.reset(Code::PROTOCOL_ERROR);
        return exchange.outcome.emit(&exchange.connection, &exchange.manager, &View(&head));
    }
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

/// Has a request of HTTP/1.1 served as a stream; what became of it. `caller` and `head` are what it is in HTTP/2, `body`
/// what was read of it.
pub(in crate::http) async fn serve(
    (connection, manager): (Rc<Connection>, Arc<HttpConnectionManager>),
    (caller, head): (&Caller<'_>, &Head),
    outcome: Outcome,
    routed: &Routed,
    body: Held<'_>,
) -> Outcome {
    let (grpc, tunnel) = (message::is_grpc(head), Tunnel::of(head));
    let mut exchange = Exchange { connection, manager, caller, head, outcome, grpc, tunnel };
    exchange.forward(routed, body).await;
    exchange.outcome
}

impl Exchange<'_> {
    /// Finds an endpoint that takes the request, and passes everything on.
    async fn forward(&mut self, routed: &Routed, body: Held<'_>) {
        self.outcome.delayed = routed.delayed;
        self.outcome.route.clone_from(&routed.route);
        self.outcome.cluster = Some(Arc::clone(&routed.cluster.name));
        if self.connection.direction == Direction::Outbound {
            self.outcome.callee.service = Arc::clone(&routed.cluster.service);
        }
        // Where it is known that no connection is shared; where the endpoint chooses, it is seen to when it has.
        let alone = routed.cluster.protocol == HttpProtocol::Http1 || routed.terminates == Terminates::Here;
        let admitted = match alone {
            true => admit(routed).await.map(|(request, turn)| (request, Some(turn))),
            false => routed.cluster.breaker.request().map(|request| (request, None)),
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
                _ = poll_fn(|cx| self.caller.poll_over(cx)) => return drop(self.settle(Err(Broke::CallerGone), true).await),
                () = sleep_until(due.map_or(until, |due| due.min(until))) => {}
            }
            if due.is_some_and(|due| due <= until) {
                return self.fail(routed, late(), ErrorKind::flag).await;
            }
        }
    }

    /// What others get of it as well.
    fn mirroring(&self, routed: &Routed) -> Option<Mirroring> {
        if routed.mirrors.is_empty() || !message::is_legal(routed) || self.tunnel.is_asked() {
            return None;
        }
        let header = |name: &str| self.head.value(name);
        let ids = Ids::of(routed, header);
        let changes = header::request(&self.connection, routed, &ids, None, header);
        let question = mirror::question_of_request(self.head, routed, &changes)?;
        Some(Mirroring::new(&self.connection.worker, &routed.mirrors, question, routed.timeout))
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
        self.settle(passed, progress.arrived.get().is_some())
            .await
            .inspect_err(|(failure, _)| tried.note(&endpoint, *failure))
    }

    /// Passes the body up and the answer down.
    async fn pass(
        &mut self,
        routed: &Routed,
        sent: Sent<'_>,
        upload: &mut Upload<'_>,
        progress: &Progress,
        retries: &mut Retries<'_>,
    ) -> Result<(), Broke> {
        let Sent { callee, turn: _turn, ended, until } = sent;
        let upload = async {
            if !ended && let Err(broken) = upload.pass(&callee, progress).await {
                callee.reset(reason(&broken));
                return Some(broken);
            }
            None
        };
        let mut upload = pin!(upload);
        let mut expired = pin!(expired(routed, self.outcome.started.into(), until, progress));
        let caller = self.caller;
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
                        Some(Broken::Sender(_)) if caller.is_malformed() => return Err(Broke::Malformed),
                        Some(Broken::Sender(_)) => return Err(Broke::CallerGone),
                        Some(Broken::TooLarge) => return Err(Broke::TooLarge),
                        Some(Broken::Receiver(_)) | None => {}
                    }
                }
                why = &mut expired => return Err(Broke::Expired(why)),
            }
        }
    }

    /// The final answer; interim ones are passed down. A caller that is gone ends the wait.
    async fn final_answer(&self, callee: &Called) -> Result<Head, Broke> {
        loop {
            let answer = poll_fn(|cx| match self.caller.poll_over(cx) {
                Poll::Ready(_) => Poll::Ready(Err(Broke::CallerGone)),
                Poll::Pending => callee.poll_answer(self.tunnel, cx).map_err(|over| match (callee, over) {
                    (Called::Http1(_), Over::Reset(Code::PROTOCOL_ERROR)) => Broke::BadAnswer,
                    (_, over) => Broke::Upstream(over.code()),
                }),
            });
            let head = answer.await?;
            if head.status() >= 200 || self.tunnel.opens(head.status()) {
                return Ok(head);
            }
            self.caller.send_interim(&head).map_err(|_| Broke::CallerGone)?;
            // The next is not asked for before this one left: a caller that reads nothing holds no more than one.
            self.caller.flush().await.map_err(|_| Broke::CallerGone)?;
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
        if head.len() > routed.cluster.http.answer_limits().fields {
            return Err(Broke::Upstream(Some(Code::PROTOCOL_ERROR)));
        }
        let status = head.status();
        if retries.claim_answer(&Answer2(&head), progress.replayable.get()) {
            return Err(Broke::Status(status));
        }
        retries.settle();
        progress.settled.set(true);
        self.outcome.status = status;
        progress.note_grpc(&head);
        let ends = callee.is_end();
        self.caller.send_answer(ends, &head, routed).map_err(|_| Broke::CallerGone)?;
        if ends {
            return self.caller.flush().await.map_err(|_| Broke::CallerGone);
        }
        body::pass(callee, self.caller, progress).await.map_err(|broken| match broken {
            Broken::Sender(code) => Broke::Upstream(code),
            Broken::Receiver(_) | Broken::TooLarge => Broke::CallerGone,
        })
    }
}
