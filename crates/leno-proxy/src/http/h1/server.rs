//! A caller's HTTP/1.1 connection: requests one after the other, until one side closes.

use std::{
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use leno_engine::{request::RequestHead as _, resilience::Failure};
use leno_http1::{HeadErrorKind, ResponseHead};
use tokio::sync::SemaphorePermit;

use super::{
    super::{
        access_log::Outcome,
        current::Current,
        decide::{self, Decision, Routed},
        local_reply,
        reply::Reply,
        retry::Retries,
        view::Http1 as View,
    },
    client::{Arrived, Client, REST, SPARE},
    exchange::{Attempt, Ended, Sent, Setting},
    failure::{Failed, failed, is_too_large, late, outcome_of, told},
    head,
    held::{Held, Kept},
    request::{Request, due},
    stream::{self, Asked, Then},
    times::Times,
    tunnel,
};
use crate::{
    config::{Counted, Endpoint, HttpConnectionManager, HttpLimits, Tried},
    connection::{Callee, Connection, Direction},
    dial::OnBehalf,
    error::{ErrorKind, ProxyError},
    io::Io,
    telemetry::event::{Protocol, Retried},
    upstream::{Http1, Key},
};

/// What lives as long as the connection.
pub(super) struct Server {
    pub(super) connection: Rc<Connection>,
    pub(super) manager: Arc<HttpConnectionManager>,
    /// Who the manager stands for.
    callee: Callee,
    response: ResponseHead,
    times: Times,
    /// The memory of the last request's head.
    spare: Vec<u8>,
    /// How many requests there were.
    served: u32,
}

/// What becomes of the connection.
pub(super) enum After {
    /// The next request.
    Next(Box<Client>),
    /// It is closed, when the caller has seen everything.
    Close(Box<Client>),
    /// It is gone already, or closed at once.
    Gone,
}

/// Serves a connection. `first` was read from it already.
///
/// Boxed is what serves requests, and dropped while none come: most of a mesh's connections wait.
pub(in crate::http) async fn run(connection: Rc<Connection>, mut current: Current, io: Io, first: Vec<u8>) {
    let Some(manager) = current.manager().map(Arc::clone) else { return };
    let callee = Callee::of(&connection, &manager.stat_prefix);
    let (response, times) = (ResponseHead::default(), Times::new());
    let mut client = Box::new(Client::new(&connection.worker, io, first));
    let mut server = Server { connection, manager, callee, response, times, spare: Vec::new(), served: 0 };
    while let Some(silent) = Box::pin(server.busy(&mut current, client)).await {
        client = silent;
        server.rest();
        if !client.rest(&server.limits(REST), &mut server.times).await {
            return;
        }
    }
}

impl Server {
    /// Serves requests until none comes for a while, and gives the caller back, or until the connection ends.
    async fn busy(&mut self, current: &mut Current, mut client: Box<Client>) -> Option<Box<Client>> {
        loop {
            let limits = self.limits(Duration::ZERO);
            let after = match client.request(&limits, &mut self.times).await {
                Arrived::Request => {
                    match current.manager() {
                        Some(manager) if Arc::ptr_eq(manager, &self.manager) => {}
                        Some(manager) => self.manage(Arc::clone(manager)),
                        None => return None,
                    }
                    self.served = self.served.saturating_add(1);
                    match client.judge_underscores(self.manager.underscores) {
                        Ok(()) => self.request(client).await,
                        Err(error) => self.refuse(client, &Reply::from(error)).await,
                    }
                }
                Arrived::Nothing => return None,
                Arrived::Silence => return Some(client),
                Arrived::Refused(error) => {
                    let kind = match error.kind() {
                        HeadErrorKind::TooLarge => ErrorKind::HeadersTooLarge,
                        HeadErrorKind::Malformed | HeadErrorKind::NotImplemented | HeadErrorKind::Version => {
                            ErrorKind::BadRequest
                        }
                    };
                    let mut reply = Reply::from(ProxyError::new(kind, error.to_string()));
                    reply.status = error.status();
                    self.refuse(client, &reply).await
                }
                Arrived::Timeout => {
                    let error = ProxyError::new(ErrorKind::RequestTimeout, "the request's head did not come in time");
                    self.refuse(client, &Reply::from(error)).await
                }
            };
            client = match after {
                After::Next(client) => client,
                After::Close(client) => {
                    client.close(self.manager.limits.delayed_close).await;
                    return None;
                }
                After::Gone => return None,
            };
        }
    }

    /// Gives back what only requests need.
    fn rest(&mut self) {
        (self.response, self.spare) = (ResponseHead::default(), Vec::new());
    }

    /// Goes on by another manager.
    fn manage(&mut self, manager: Arc<HttpConnectionManager>) {
        self.callee = Callee::of(&self.connection, &manager.stat_prefix);
        self.manager = manager;
    }

    /// The limits of the next request: it has to come while the connection may be used. `rested`: how long none came, which
    /// counts as idle.
    fn limits(&self, rested: Duration) -> HttpLimits {
        let mut limits = self.manager.limits;
        if let Some(most) = limits.max_connection_duration {
            // Zero would be for ever.
            let left = most.saturating_sub(self.connection.opened.elapsed()).max(Duration::from_millis(1)) + rested;
            limits.idle_timeout = if limits.idle_timeout.is_zero() { left } else { limits.idle_timeout.min(left) };
        }
        limits
    }

    /// Whether no other request comes after this one.
    pub(super) fn is_last(&self) -> bool {
        let limits = &self.manager.limits;
        let full = limits.max_requests.is_some_and(|most| self.served >= most.get());
        full || limits.max_connection_duration.is_some_and(|most| self.connection.opened.elapsed() >= most)
    }

    /// Answers what is no request.
    async fn refuse(&mut self, mut client: Box<Client>, reply: &Reply) -> After {
        let mut outcome = Outcome::new(self.callee.clone(), Protocol::Http1, Instant::now());
        outcome.flags = reply.flags;
        outcome.detail.clone_from(&reply.detail);
        let nothing = leno_engine::authorization::NoRequest;
        let reply = &*local_reply::worded(reply, &self.connection, &self.manager, &mut outcome, &nothing);
        outcome.status = reply.status;
        outcome.emit(&self.connection, &self.manager, &nothing);
        let mut out = Vec::new();
        head::reply(&mut out, reply, None, true);
        match client.write(&out).await {
            Ok(()) => After::Close(client),
            Err(_) => After::Gone,
        }
    }

    /// Serves one request.
    async fn request(&mut self, mut client: Box<Client>) -> After {
        let mut outcome = Outcome::new(self.callee.clone(), Protocol::Http1, Instant::now());
        let view = View { head: &client.head, bytes: &client.head_bytes };
        let mut held = Held::new(&mut client.io, &mut client.input, &client.head, view.header("expect"));
        let (connection, manager) = (&self.connection, &self.manager);
        let decision = decide::decide(connection, manager, &outcome.callee, Protocol::Http1, &view, &mut held).await;
        let kept = held.kept();
        match decision {
            Decision::Answer(reply) => self.answer(client, outcome, reply).await,
            Decision::Forward(routed) if is_too_large(&routed, client.head.framing, kept.length()) => {
                self.answer(client, outcome, ErrorKind::BodyTooLarge.into()).await
            }
            Decision::Forward(routed) if routed.is_translated() => self.translate(client, outcome, routed, kept).await,
            Decision::Forward(routed) => {
                outcome.delayed = routed.delayed;
                outcome.route.clone_from(&routed.route);
                outcome.cluster = Some(Arc::clone(&routed.cluster.name));
                if self.connection.direction == Direction::Outbound {
                    outcome.callee.service = Arc::clone(&routed.cluster.service);
                }
                let (upgrade, keep) = (self.upgrade(&client, &routed), client.head.keep_alive && !self.is_last());
                let memory = std::mem::take(&mut self.spare);
                let request =
                    Request::new(&self.connection, (client, outcome), &routed, &kept, (upgrade, keep, memory));
                self.forward(request, &routed).await
            }
        }
    }

    /// Has a request served in the form of HTTP/2, as its endpoint may speak that. Apart and boxed: no other has room for it.
    fn translate(
        &mut self,
        client: Box<Client>,
        outcome: Outcome,
        routed: Box<Routed>,
        kept: Kept,
    ) -> Pin<Box<dyn Future<Output = After> + '_>> {
        Box::pin(async move {
            let (upgrade, close) = (self.upgrade(&client, &routed), self.is_last());
            let asked = Asked { upgrade, client, kept, close };
            let (client, outcome, then) =
                stream::serve((&self.connection, &self.manager), asked, outcome, &routed).await;
            self.emit(&client, &outcome);
            match then {
                Then::Next => After::Next(client),
                Then::Close => After::Close(client),
                Then::Drop => After::Gone,
            }
        })
    }

    /// Whether the caller asks for an upgrade that is passed on; other upgrades are ignored, as HTTP allows.
    fn upgrade(&self, client: &Client, routed: &Routed) -> bool {
        let allowed = |name: &str| routed.passes_upgrade(&self.manager, name);
        match client.head.upgrade {
            Some(place) => allowed(place.text(&client.head_bytes)),
            None => client.head.connect && allowed("connect"),
        }
    }

    /// Tries endpoints until one answers, or no other may be tried.
    async fn forward(&mut self, mut request: Request, routed: &Routed) -> After {
        let mut tried = Tried::default();
        let mut retries = Retries::of(routed);
        let _admitted = match admit(routed).await {
            Ok(admitted) => admitted,
            Err(error) => return self.fail(request, routed, error).await,
        };
        loop {
            let Some(endpoint) = self.pick(routed, &mut tried).await else {
                let text = format!("{} has no ready endpoint", routed.cluster.name);
                return self.fail(request, routed, ProxyError::new(ErrorKind::NoHealthyUpstream, text)).await;
            };
            let active = endpoint.enter();
            routed.chose(&endpoint);
            retries.begin(&endpoint);
            let attempted = self.attempt(&mut request, routed, &endpoint, &mut retries).await;
            drop(active);
            request.outcome.retries = retries.resends();
            let (failure, error) = match attempted {
                Ok(answered) => return self.finish(request, routed, answered, &retries).await,
                Err(failed) => failed,
            };
            // Where one kept connection was closed, the others to this endpoint are not to be trusted.
            request.fresh = failure == Some(Failure::NotProcessed);
            if !request.fresh {
                tried.note(&endpoint, failure);
            }
            match failure {
                // Claimed when it was seen, as it would have been passed back otherwise.
                Some(Failure::Answer(_)) | None => {}
                Some(failure) => drop(retries.claim(failure, request.upload.is_replayable())),
            }
            request.outcome.retries = retries.resends();
            let Some(wait) = retries.claimed() else {
                request.outcome.flags = retries.flags(error.kind.flag());
                return self.fail(request, routed, error).await;
            };
            let (connection, callee, protocol) = (&self.connection, &request.outcome.callee, Protocol::Http1);
            Retried { connection, callee, protocol, reason: error.kind }.emit();
            request.upload.rewind();
            if !wait.is_zero() && !request.waits(routed, wait).await {
                return self.fail(request, routed, late()).await;
            }
        }
    }

    /// Answers a request that no endpoint answered.
    async fn fail(&mut self, request: Request, routed: &Routed, error: ProxyError) -> After {
        let Request { client, outcome, .. } = request;
        let mut reply = Reply::from(error).edited(&routed.response_edits);
        if outcome.flags.ends_with("URX") {
            reply.flags = outcome.flags;
        }
        self.answer(client, outcome, reply).await
    }

    /// Tries one endpoint.
    async fn attempt<'r>(
        &mut self,
        request: &mut Request,
        routed: &'r Routed,
        endpoint: &Endpoint,
        retries: &mut Retries<'r>,
    ) -> Result<Answered, Failed> {
        if routed.is_named_by_endpoint() {
            request.address(&self.connection, routed, endpoint);
        }
        let Request { client, outcome, upload, .. } = request;
        if self.connection.direction == Direction::Outbound {
            outcome.callee.workload = Arc::clone(&endpoint.workload);
        }
        outcome.callee.address = Some(endpoint.address);
        let per_try = routed.retry.as_ref().and_then(|retry| retry.per_try_timeout);
        let try_until = per_try.map(|time| tokio::time::Instant::now() + time);
        let (worker, for_whom) = (&self.connection.worker, OnBehalf::Caller(&self.connection));
        let key = Key::new(for_whom, &routed.cluster, endpoint);
        let waited = if request.fresh { None } else { Http1::waited(worker, &key) };
        let mut upstream = match (waited, due(routed, upload)) {
            (Some(waited), _) => waited,
            (None, due) => {
                let dial = Box::pin(Http1::dial(for_whom, &routed.cluster, endpoint, key));
                let dialed = match due {
                    Some(due) => tokio::time::timeout_at(due, dial).await.map_err(|_| (None, late()))?,
                    None => dial.await,
                };
                dialed.map_err(|error| (Some(Failure::Connect), error))?
            }
        };
        outcome.callee.mtls = upstream.mtls;
        let over_until = [
            routed.longest.map(|time| tokio::time::Instant::from_std(outcome.started) + time),
            routed.cluster.http.max_stream_duration.map(|time| tokio::time::Instant::now() + time),
        ];
        let setting = Setting {
            routed,
            retries,
            try_until,
            arrive_until: routed.arrival.map(|time| tokio::time::Instant::from_std(outcome.started) + time),
            over_until,
            upgrade: request.upgrade,
            close: !request.keep,
            connection: &self.connection,
        };
        self.times.start();
        let mut attempt = Attempt::new(client, &mut upstream, upload, &mut self.response, &mut self.times, setting);
        let ended = poll_fn(|cx| attempt.poll(cx)).await;
        let (sent, close) = attempt.finish();
        outcome.request_bytes = upload.content;
        outcome.status = sent.status;
        outcome.response_bytes = sent.content;
        if let Some(came) = outcome_of(&ended, sent.status) {
            routed.cluster.report(worker, endpoint, came);
        }
        match ended {
            Ended::Upstream(error) => Err(failed(error, client, endpoint)),
            ended => Ok(Answered { upstream, ended, close, sent, over_until }),
        }
    }

    /// An endpoint, if possible one that was not tried. When all were tried, those tried first are tried again.
    async fn pick(&self, routed: &Routed, tried: &mut Tried) -> Option<Arc<Endpoint>> {
        let (worker, to) = (&self.connection.worker, routed.destination);
        let found = routed.cluster.pick(worker, to, &routed.wanted(tried)).await;
        if found.is_some() || !tried.leaves_out() {
            return found;
        }
        tried.forget();
        routed.cluster.pick(worker, to, &routed.wanted(tried)).await
    }

    /// Ends a request whose answer had begun.
    async fn finish(&mut self, request: Request, routed: &Routed, answered: Answered, retries: &Retries<'_>) -> After {
        let Request { client, mut outcome, upload, .. } = request;
        let Answered { upstream, ended, close, sent, over_until } = answered;
        let read = upload.is_read();
        self.spare = upload.into_bytes();
        if self.spare.capacity() > SPARE {
            self.spare = Vec::new();
        }
        (outcome.flags, outcome.detail) = told(&ended, routed);
        outcome.flags = retries.flags(outcome.flags);
        match ended {
            Ended::Complete { reusable } => {
                self.emit(&client, &outcome);
                if reusable {
                    upstream.put_back(&self.connection.worker);
                }
                match (read, close) {
                    // There is nothing to wait for.
                    (true, true) if client.said_last() => After::Gone,
                    (true, false) => After::Next(client),
                    (true, true) | (false, _) => After::Close(client),
                }
            }
            Ended::Upgraded => {
                Box::pin(self.tunnel(client, upstream, outcome, tunnel::times(&self.connection, routed, over_until)))
                    .await;
                After::Gone
            }
            Ended::CallerBody(error) if sent.status == 0 => {
                let reply = Reply::from(ProxyError::new(ErrorKind::BadRequest, error.to_string()));
                self.answer(client, outcome, reply).await
            }
            Ended::TooLarge if sent.status == 0 => self.answer(client, outcome, ErrorKind::BodyTooLarge.into()).await,
            Ended::Idle if sent.status == 0 => {
                let kind = if read { ErrorKind::UpstreamTimeout } else { ErrorKind::StreamIdleTimeout };
                let reply = Reply::from(ProxyError::new(kind, outcome.detail.clone()));
                self.answer(client, outcome, reply).await
            }
            Ended::TooLong if sent.status == 0 => {
                self.answer(client, outcome, Reply::from(ErrorKind::StreamDuration).unless_arrived(read)).await
            }
            Ended::Late => {
                let reply = Reply::from(ProxyError::new(ErrorKind::RequestTimeout, outcome.detail.clone()));
                self.answer(client, outcome, reply).await
            }
            Ended::Broken(_)
            | Ended::CallerGone
            | Ended::CallerBody(_)
            | Ended::TooLarge
            | Ended::Idle
            | Ended::TooLong
            | Ended::Upstream(_) => {
                self.emit(&client, &outcome);
                After::Gone
            }
        }
    }
}

/// Admits a request to its cluster, when others have ended if it must be; for as long as the guards live.
pub(in crate::http) async fn admit(routed: &Routed) -> Result<(Counted<'_>, SemaphorePermit<'_>), ProxyError> {
    let breaker = &routed.cluster.breaker;
    Ok((breaker.request()?, breaker.turn(routed.patience()).await?))
}

/// An attempt whose answer had begun.
struct Answered {
    upstream: Http1,
    ended: Ended,
    close: bool,
    sent: Sent,
    /// When all must be over: for the request, and for this attempt.
    over_until: [Option<tokio::time::Instant>; 2],
}
