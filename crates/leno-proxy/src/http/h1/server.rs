//! A caller's HTTP/1.1 connection: requests one after the other, until one side closes.

use std::{future::poll_fn, net::SocketAddr, rc::Rc, sync::Arc, time::Instant};

use leno_engine::{
    request::RequestHead as _,
    resilience::{Failure, Retry},
};
use leno_http1::{HeadErrorKind, ResponseHead};

use super::{
    super::{
        access_log::Outcome,
        decide::{self, Decision, Routed},
        reply::Reply,
        view::Http1 as View,
    },
    client::{Arrived, Client},
    exchange::{Attempt, Ended, Sent, Setting, Times, Upload, UpstreamError},
    head, tunnel,
};
use crate::{
    config::{Endpoint, HttpConnectionManager},
    connection::{Callee, Connection, Direction},
    error::{ErrorKind, ProxyError},
    io::Io,
    telemetry::event::{Protocol, Retried},
    upstream::Http1,
};

/// What lives as long as the connection.
struct Server {
    connection: Rc<Connection>,
    manager: Arc<HttpConnectionManager>,
    response: ResponseHead,
    times: Times,
    /// The memory of the last request's head.
    spare: Vec<u8>,
}

/// What becomes of the connection.
enum After {
    /// The next request.
    Next(Client),
    /// It is closed, when the caller has seen everything.
    Close(Client),
    /// It is gone already, or closed at once.
    Gone,
}

/// Serves a connection. `first` was read from it already.
pub(in crate::http) async fn run(
    connection: Rc<Connection>,
    manager: Arc<HttpConnectionManager>,
    io: Io,
    first: Vec<u8>,
) {
    let mut server = Server {
        connection,
        manager,
        response: ResponseHead::default(),
        times: Times::new(),
        spare: Vec::new(),
    };
    let mut client = Client::new(io, first);
    loop {
        let arrived = client
            .request(&server.connection.worker, &server.manager.limits)
            .await;
        let after = match arrived {
            Arrived::Request => server.request(client).await,
            Arrived::Nothing => return,
            Arrived::Refused(error) => {
                let kind = match error.kind() {
                    HeadErrorKind::TooLarge => ErrorKind::HeadersTooLarge,
                    HeadErrorKind::Malformed
                    | HeadErrorKind::NotImplemented
                    | HeadErrorKind::Version => ErrorKind::BadRequest,
                };
                let mut reply = Reply::from(ProxyError::new(kind, error.to_string()));
                reply.status = error.status();
                server.refuse(client, &reply).await
            }
            Arrived::Timeout => {
                let error = ProxyError::new(
                    ErrorKind::RequestTimeout,
                    "the request's head did not come in time",
                );
                server.refuse(client, &Reply::from(error)).await
            }
        };
        client = match after {
            After::Next(client) => client,
            After::Close(client) => return client.close().await,
            After::Gone => return,
        };
    }
}

impl Server {
    /// Answers what is no request.
    async fn refuse(&mut self, mut client: Client, reply: &Reply) -> After {
        let mut outcome = Outcome::new(
            Callee::of(&self.connection, &self.manager.stat_prefix),
            Protocol::Http1,
            Instant::now(),
        );
        outcome.status = reply.status;
        outcome.flags = reply.flags;
        outcome.detail.clone_from(&reply.detail);
        let nothing = leno_engine::authorization::NoRequest;
        outcome.emit(&self.connection, &self.manager, &nothing);
        let mut out = Vec::new();
        head::reply(&mut out, reply, None, true);
        match client.write(&out).await {
            Ok(()) => After::Close(client),
            Err(_) => After::Gone,
        }
    }

    /// Serves one request.
    async fn request(&mut self, mut client: Client) -> After {
        let callee = Callee::of(&self.connection, &self.manager.stat_prefix);
        let mut outcome = Outcome::new(callee, Protocol::Http1, Instant::now());
        let view = View {
            head: &client.head,
            bytes: &client.head_bytes,
        };
        let decision =
            decide::decide(&self.connection, &self.manager, &outcome.callee, &view).await;
        match decision {
            Decision::Answer(reply) => self.answer(client, outcome, &reply).await,
            Decision::Forward(routed) => {
                outcome.route.clone_from(&routed.route);
                outcome.cluster = Some(Arc::clone(&routed.cluster.name));
                if self.connection.direction == Direction::Outbound {
                    outcome.callee.service =
                        self.connection.worker.services.of(&routed.cluster.name);
                }
                let upgrade = self.upgrade(&client);
                let mut bytes = std::mem::take(&mut self.spare);
                bytes.clear();
                let view = View {
                    head: &client.head,
                    bytes: &client.head_bytes,
                };
                let asked = upgrade
                    .then(|| {
                        client
                            .head
                            .upgrade
                            .map(|place| place.of_bytes(&client.head_bytes))
                    })
                    .flatten();
                (outcome.request_id, outcome.traceparent) =
                    head::request(&mut bytes, &self.connection, view, &routed, asked);
                let upload = Upload::new(bytes, client.head.framing);
                client.input.release();
                self.forward(client, outcome, &routed, upload, upgrade)
                    .await
            }
        }
    }

    /// Whether the caller asks for an upgrade that is passed on; other upgrades are ignored, as HTTP allows.
    fn upgrade(&self, client: &Client) -> bool {
        let allowed = |name: &str| {
            self.manager
                .upgrades
                .iter()
                .any(|allowed| allowed.eq_ignore_ascii_case(name))
        };
        match client.head.upgrade {
            Some(place) => allowed(place.text(&client.head_bytes)),
            None => client.head.connect && allowed("connect"),
        }
    }

    /// Tries endpoints until one answers, or no other may be tried.
    async fn forward(
        &mut self,
        mut client: Client,
        mut outcome: Outcome,
        routed: &Routed,
        mut upload: Upload,
        upgrade: bool,
    ) -> After {
        let mut tried: Vec<SocketAddr> = Vec::new();
        let mut retry = Retry::default();
        let mut fresh = false;
        let keep = client.head.keep_alive && !self.connection.worker.is_draining();
        loop {
            let Some(endpoint) = self.pick(routed, &mut tried).await else {
                let error = ProxyError::new(
                    ErrorKind::NoHealthyUpstream,
                    format!("{} has no ready endpoint", routed.cluster.name),
                );
                return self.answer(client, outcome, &Reply::from(error)).await;
            };
            let active = endpoint.enter();
            self.callee(&mut outcome.callee, &endpoint);
            let dialed = Http1::to(
                &self.connection.worker,
                self.connection.direction,
                &routed.cluster,
                &endpoint,
                fresh,
            )
            .await;
            let (failure, error) = match dialed {
                Err(error) => {
                    tried.push(endpoint.address);
                    (Failure::Connect, error)
                }
                Ok(mut upstream) => {
                    outcome.callee.mtls = upstream.mtls;
                    let per_try = routed
                        .retry
                        .as_ref()
                        .and_then(|retry| retry.per_try_timeout);
                    let setting = Setting {
                        routed,
                        try_until: per_try.map(|time| tokio::time::Instant::now() + time),
                        upgrade,
                        close: !keep,
                    };
                    self.times.start();
                    let mut attempt = Attempt::new(
                        &mut client,
                        &mut upstream,
                        &mut upload,
                        &mut self.response,
                        &mut self.times,
                        &setting,
                    );
                    let ended = poll_fn(|cx| attempt.poll(cx)).await;
                    let (sent, close) = (attempt.sent, attempt.close);
                    outcome.request_bytes = upload.content;
                    outcome.status = sent.status;
                    outcome.response_bytes = sent.content;
                    match ended {
                        Ended::Upstream(error) => {
                            let (failure, error) = self.failed(error, &client, &endpoint);
                            // Where one kept connection was closed, the others to this endpoint are not to be trusted.
                            fresh = failure == Failure::NotProcessed;
                            if !fresh {
                                tried.push(endpoint.address);
                            }
                            (failure, error)
                        }
                        ended => {
                            drop(active);
                            let done = Done {
                                client,
                                upstream,
                                endpoint,
                                close,
                                sent,
                            };
                            return self.finish(done, outcome, routed, upload, ended).await;
                        }
                    }
                }
            };
            drop(active);
            let wait = retry.next(
                routed.retry.as_ref(),
                failure,
                upload.is_replayable(),
                &mut rand::rng(),
            );
            outcome.retries = retry.resends();
            let Some(wait) = wait else {
                return self.answer(client, outcome, &Reply::from(error)).await;
            };
            Retried {
                connection: &self.connection,
                callee: &outcome.callee,
                reason: error.kind,
            }
            .emit();
            upload.rewind();
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
        }
    }

    /// An endpoint, if possible one that was not tried. When all were tried, those tried first are tried again.
    async fn pick(&self, routed: &Routed, tried: &mut Vec<SocketAddr>) -> Option<Arc<Endpoint>> {
        let to = self.connection.original_destination;
        if let Some(endpoint) = routed.cluster.pick(to, tried).await {
            return Some(endpoint);
        }
        if tried.is_empty() {
            return None;
        }
        tried.clear();
        routed.cluster.pick(to, tried).await
    }

    /// Who is called now.
    fn callee(&self, callee: &mut Callee, endpoint: &Endpoint) {
        if self.connection.direction == Direction::Outbound {
            callee.workload = Arc::clone(&endpoint.workload);
        }
        callee.address = Some(endpoint.address);
    }

    /// What a failure of the endpoint means. A closed kept connection is safe to try again only when the request changes
    /// nothing: the endpoint may have closed it after reading.
    fn failed(
        &self,
        error: UpstreamError,
        client: &Client,
        endpoint: &Endpoint,
    ) -> (Failure, ProxyError) {
        let at = endpoint.address;
        let view = View {
            head: &client.head,
            bytes: &client.head_bytes,
        };
        match error {
            UpstreamError::Stale if is_idempotent(view.method()) => (
                Failure::NotProcessed,
                ProxyError::new(
                    ErrorKind::UpstreamClosed,
                    format!("{at} closed the kept connection"),
                ),
            ),
            UpstreamError::Stale => (
                Failure::Reset,
                ProxyError::new(
                    ErrorKind::UpstreamClosed,
                    format!("{at} closed the kept connection"),
                ),
            ),
            UpstreamError::Closed(why) => (
                Failure::Reset,
                ProxyError::new(ErrorKind::UpstreamClosed, format!("{at}: {why}")),
            ),
            UpstreamError::Malformed(why) => (
                Failure::Reset,
                ProxyError::new(ErrorKind::UpstreamProtocol, format!("{at}: {why}")),
            ),
            UpstreamError::Timeout => (
                Failure::PerTryTimeout,
                ProxyError::new(
                    ErrorKind::UpstreamTimeout,
                    format!("{at} did not answer in time"),
                ),
            ),
        }
    }

    /// Ends a request whose answer had begun.
    async fn finish(
        &mut self,
        done: Done,
        mut outcome: Outcome,
        routed: &Routed,
        upload: Upload,
        ended: Ended,
    ) -> After {
        let Done {
            client,
            upstream,
            endpoint,
            close,
            sent,
        } = done;
        let read = upload.is_read();
        self.spare = upload.into_bytes();
        let (flags, detail) = match &ended {
            Ended::Complete { .. } | Ended::Upgraded => ("-", String::new()),
            Ended::Broken(why) => (ErrorKind::UpstreamClosed.flag(), why.clone()),
            Ended::CallerGone => (
                ErrorKind::DownstreamClosed.flag(),
                "the caller closed the connection".into(),
            ),
            Ended::CallerBody(error) => (ErrorKind::BadRequest.flag(), error.to_string()),
            Ended::Idle => (
                ErrorKind::StreamIdleTimeout.flag(),
                format!("nothing moved for {:?}", routed.idle),
            ),
            Ended::Upstream(_) => (ErrorKind::UpstreamClosed.flag(), String::new()),
        };
        (outcome.flags, outcome.detail) = (flags, detail);
        match ended {
            Ended::Complete { reusable } => {
                self.emit(&client, &outcome);
                if reusable {
                    upstream.put_back(&self.connection.worker, &routed.cluster, &endpoint);
                }
                if close || !read {
                    After::Close(client)
                } else {
                    After::Next(client)
                }
            }
            Ended::Upgraded => {
                let (head, bytes) = (client.head.clone(), client.head_bytes.clone());
                let carried = tunnel::run(
                    &self.connection,
                    &outcome.callee,
                    client,
                    upstream,
                    routed.idle,
                )
                .await;
                outcome.request_bytes += carried.sent;
                outcome.response_bytes += carried.received;
                outcome.flags = carried.flags;
                outcome.emit(
                    &self.connection,
                    &self.manager,
                    &View {
                        head: &head,
                        bytes: &bytes,
                    },
                );
                After::Gone
            }
            Ended::CallerBody(error) if sent.status == 0 => {
                let reply = Reply::from(ProxyError::new(ErrorKind::BadRequest, error.to_string()));
                self.answer(client, outcome, &reply).await
            }
            Ended::Idle if sent.status == 0 => {
                let kind = if read {
                    ErrorKind::UpstreamTimeout
                } else {
                    ErrorKind::StreamIdleTimeout
                };
                let reply = Reply::from(ProxyError::new(kind, outcome.detail.clone()));
                self.answer(client, outcome, &reply).await
            }
            Ended::Broken(_)
            | Ended::CallerGone
            | Ended::CallerBody(_)
            | Ended::Idle
            | Ended::Upstream(_) => {
                self.emit(&client, &outcome);
                After::Gone
            }
        }
    }

    /// Answers a request without an endpoint.
    async fn answer(&mut self, mut client: Client, mut outcome: Outcome, reply: &Reply) -> After {
        outcome.status = reply.status;
        outcome.flags = reply.flags;
        outcome.detail.clone_from(&reply.detail);
        outcome.response_bytes = reply.body.len() as u64;
        self.emit(&client, &outcome);
        // A body that nobody reads stands before the next request.
        let body = client.head.framing != leno_http1::Framing::None;
        let close = body || !client.head.keep_alive || self.connection.worker.is_draining();
        let mut out = Vec::new();
        head::reply(&mut out, reply, Some(&client.head), close);
        match client.write(&out).await {
            Err(_) => After::Gone,
            Ok(()) if close => After::Close(client),
            Ok(()) => After::Next(client),
        }
    }

    fn emit(&self, client: &Client, outcome: &Outcome) {
        outcome.emit(
            &self.connection,
            &self.manager,
            &View {
                head: &client.head,
                bytes: &client.head_bytes,
            },
        );
    }
}

/// What is left of an exchange.
struct Done {
    client: Client,
    upstream: Http1,
    endpoint: Arc<Endpoint>,
    close: bool,
    sent: Sent,
}

/// Methods that may be sent twice with the effect of once ([RFC 9110, 9.2.2]).
///
/// [RFC 9110, 9.2.2]: https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2
fn is_idempotent(method: &str) -> bool {
    matches!(
        method,
        "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE"
    )
}
