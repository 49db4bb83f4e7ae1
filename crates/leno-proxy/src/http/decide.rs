//! What is to be done with a request: all decisions, no I/O.

use std::{
    borrow::Cow,
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use leno_engine::{
    balance::{self, Criteria},
    filter::ActiveFault,
    request::RequestHead,
    resilience::RetryPolicy,
    route::{
        Action, Facts, Forward, HashPolicy, Hashed, HeaderAppend, HeaderEdits, HeaderText, HeaderWrite, HostRewrite,
        Route, Upgrade,
    },
};
use rand::RngExt as _;

use super::{
    filter::{Filtered, Setting, edited::Edited},
    forwarded::{self, Told},
    header,
    held::Incoming,
    judged::Judged,
    local_reply::Way,
    mirror::{self, Mirrored},
    reply::Reply,
    selected::Selected,
    session::Sticky,
};
use crate::{
    config::{
        Cluster, ClusterKind, Endpoint, HttpConnectionManager, HttpProtocol, OriginalDst, RouteSource, Routes, Slot,
        Tried, Wanted,
    },
    connection::{Admission, Callee, Connection},
    error::{ErrorKind, ProxyError},
    telemetry::event::Protocol,
};

/// How long a request waits for routes and clusters that are asked for at this moment.
pub(super) const CONFIG: Duration = Duration::from_secs(5);

/// A request that goes on.
#[derive(Debug)]
pub(super) struct Routed {
    /// Where to.
    pub(super) cluster: Arc<Cluster>,
    /// Where an original-destination cluster leads.
    pub(super) destination: SocketAddr,
    /// The route's name; may be empty.
    pub(super) route: Arc<str>,
    /// The new target, when it changes.
    pub(super) target: Option<String>,
    /// The new host, when it changes.
    pub(super) host: Option<Box<str>>,
    /// What it is kept together with others by.
    pub(super) hash: Option<u64>,
    /// What is told of the host where it becomes the endpoint's own; `None`: it does not.
    pub(super) named: Option<Originals>,
    /// What is said of upgrades beside the connection manager.
    pub(super) upgrades: Option<Arc<[Upgrade]>>,
    /// Where CONNECT ends.
    pub(super) terminates: Terminates,
    /// What must be noted about the endpoint.
    pub(super) criteria: Option<Arc<Criteria>>,
    /// What was there before a rewrite, for the callee.
    pub(super) originals: Originals,
    /// What is said of who called.
    pub(super) told: Told,
    /// How long the answer may take once the request is there.
    pub(super) timeout: Option<Duration>,
    /// How long the request may take to arrive.
    pub(super) arrival: Option<Duration>,
    /// How long it may take with its answer.
    pub(super) longest: Option<Duration>,
    /// How long nothing may move.
    pub(super) idle: Duration,
    /// When to try again.
    pub(super) retry: Option<Arc<RetryPolicy>>,
    /// Changes to the request's headers, in their order.
    pub(super) request_edits: Vec<HeaderEdits>,
    /// Changes to the answer's headers, in their order.
    pub(super) response_edits: Vec<HeaderEdits>,
    /// The session that it is of.
    pub(super) session: Option<Box<Sticky>>,
    /// Who gets it as well.
    pub(super) mirrors: Vec<Mirrored>,
    /// How many bytes its body may have.
    pub(super) max_request_bytes: Option<NonZeroU32>,
    /// The fault that goes on until its end.
    pub(super) fault: Option<ActiveFault>,
    /// Whether it was delayed on purpose.
    pub(super) delayed: bool,
}

/// Headers that tell what was there before.
type Originals = Vec<(&'static str, String)>;

/// Where CONNECT ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Terminates {
    /// Here: the endpoint gets what comes through the tunnel.
    Here,
    /// At the endpoint, or it is none.
    Beyond,
}

/// What is to be done with a request.
#[derive(Debug)]
pub(super) enum Decision {
    /// It goes on.
    Forward(Box<Routed>),
    /// It is answered here.
    Answer(Reply),
}

/// Decides on a request, and has it and its answer say which way they went.
pub(super) async fn decide<R: RequestHead, B: Incoming>(
    connection: &Connection,
    manager: &HttpConnectionManager,
    callee: &Callee,
    protocol: Protocol,
    request: &R,
    body: &mut B,
) -> Decision {
    let (told, way) = forwarded::both(connection, &manager.forwarding, request);
    match judge(connection, manager, callee, protocol, request, body).await {
        Decision::Forward(mut routed) => {
            routed.told = told;
            routed.response_edits.extend(way);
            Decision::Forward(routed)
        }
        Decision::Answer(reply) => Decision::Answer(match way {
            Some(way) => reply.edited(&[way]),
            None => reply,
        }),
    }
}

/// Decides on a request: the route is looked up first, because it may have something to say for filters, but what the
/// filters refuse does not learn which routes there are.
async fn judge<R: RequestHead, B: Incoming>(
    connection: &Connection,
    manager: &HttpConnectionManager,
    callee: &Callee,
    protocol: Protocol,
    request: &R,
    body: &mut B,
) -> Decision {
    let request = match Judged::new(connection, manager, request) {
        Ok(request) => request,
        Err(reply) => return Decision::Answer(reply),
    };
    if let Some(reply) = overloaded(connection) {
        return Decision::Answer(reply);
    }
    let routes = routes(manager).await;
    let known = routes.as_deref().ok();
    let selected = known.and_then(|routes| Selected::of(routes, &request));
    let remote = forwarded::source(connection, &manager.forwarding, &request);
    let mut setting = Setting { connection, manager, callee, protocol, remote, routes: known, selected };
    let mut filtered = Filtered::default();
    let reply = match filtered.apply(&mut setting, &request, body).await {
        Some(reply) => {
            // What goes on gets the changes of its route even where a filter answers it.
            let edits = setting.selected.filter(|it| it.forwards() && !filtered.final_answer);
            reply.edited(&edits.map(|it| it.response_edits(&setting.facts(&request))).unwrap_or_default())
        }
        None => match onward(&setting, routes.as_deref(), &filtered.seen(&request)).await {
            Ok(Onward::Forward(mut routed)) => {
                routed.take(filtered);
                return Decision::Forward(routed);
            }
            Ok(Onward::Answer(reply)) => reply,
            Err(error) => Reply::from(error),
        },
    };
    let way = manager.local_replies.is_some().then(|| way(&setting)).flatten();
    Decision::Answer(Reply { delayed: filtered.delayed, way, ..reply.edited(&filtered.response_edits) })
}

/// Where a request was to go that is answered here.
fn way(setting: &Setting<'_>) -> Option<Arc<Way>> {
    let route = Arc::clone(&setting.selected?.route.name);
    Some(Arc::new(Way { route, cluster: setting.cluster().unwrap_or_default().into() }))
}

/// The answer on a connection above the limit.
fn overloaded(connection: &Connection) -> Option<Reply> {
    let text = "the proxy has as many connections as it may have";
    (connection.admission == Admission::Shed).then(|| Reply::from(ProxyError::new(ErrorKind::Overload, text)))
}

/// The answer to who asks for a protocol that is not passed on. Upgrades of HTTP/1.1 are left out then, as it allows.
fn not_upgraded<R: RequestHead>(setting: &Setting<'_>, action: &Action, request: &R) -> Option<Reply> {
    let asked = match (request.method(), setting.protocol) {
        ("CONNECT", _) => "connect",
        (_, Protocol::Http1) => return None,
        _ => request.header("upgrade").and_then(|name| std::str::from_utf8(name).ok())?,
    };
    let upgrades = match action {
        Action::Forward(forward) => forward.upgrades.as_deref(),
        Action::Redirect(_) | Action::DirectResponse(_) => None,
    };
    let refused = !passes_upgrade(setting.manager, upgrades, asked);
    refused.then(|| Reply::from(ProxyError::new(ErrorKind::UpgradeRefused, format!("{asked:?} is not passed on here"))))
}

/// Whether an upgrade is passed on: as the route says, else as the connection manager does.
fn passes_upgrade(manager: &HttpConnectionManager, upgrades: Option<&[Upgrade]>, name: &str) -> bool {
    let of_route = upgrades.unwrap_or_default().iter().find(|upgrade| upgrade.name.eq_ignore_ascii_case(name));
    match of_route {
        Some(upgrade) => upgrade.enabled,
        None => manager.upgrades.iter().any(|allowed| allowed.eq_ignore_ascii_case(name)),
    }
}

/// Where CONNECT ends.
fn terminates<R: RequestHead>(forward: &Forward, request: &R) -> Terminates {
    let Some(upgrades) = forward.upgrades.as_deref() else { return Terminates::Beyond };
    let fits = |upgrade: &&Upgrade| match (&upgrade.terminates, request.method()) {
        (Some(_), "CONNECT") => true,
        (Some(by), "POST") => by.post,
        _ => false,
    };
    if upgrades.iter().any(|upgrade| fits(&upgrade)) { Terminates::Here } else { Terminates::Beyond }
}

/// What comes after the filters.
pub(super) enum Onward {
    /// It goes on.
    Forward(Box<Routed>),
    /// Its route answers it.
    Answer(Reply),
}

/// Where a request goes.
pub(super) async fn onward<R: RequestHead>(
    setting: &Setting<'_>,
    routes: Result<&Routes, &ProxyError>,
    request: &Edited<'_, Judged<'_, R>>,
) -> Result<Onward, ProxyError> {
    let routes = routes.map_err(Clone::clone)?;
    let selected =
        setting.selected.ok_or_else(|| ProxyError::new(ErrorKind::NoRoute, "no route matches the request"))?;
    let Selected { route, .. } = &selected;
    if let Some(reply) = not_upgraded(setting, &route.action, request) {
        return Ok(Onward::Answer(reply));
    }
    let facts = setting.facts(request);
    let forward = match forward(route, setting.connection, request) {
        Ok(forward) => forward,
        Err(reply) => return Ok(Onward::Answer(reply.edited(&selected.response_edits(&facts)))),
    };
    let (name, weight) = selected
        .cluster
        .ok_or_else(|| ProxyError::new(ErrorKind::NoCluster, "every cluster of the route has the weight 0"))?;
    let cluster = match cluster(routes, name).await {
        Err(error) if error.kind == ErrorKind::NoCluster => {
            return Ok(Onward::Answer(Reply { status: forward.not_found, ..Reply::from(error) }));
        }
        cluster => cluster?,
    };
    admits(&cluster)?;
    let limits = &setting.manager.limits;
    let rewrite = forward.path_rewrite.as_ref();
    let host = forward.host_rewrite.as_ref().and_then(|rewrite| rewrite.apply(request));
    let originals = originals(forward, host.is_some(), request);
    let by_endpoint = matches!(forward.host_rewrite, Some(HostRewrite::Endpoint));
    let target = rewrite.map(|rewrite| rewrite.apply(&route.matches.path, request.target()));
    let request_edits: Vec<_> = selected.request_edits(&facts);
    // What counts is what the endpoint sees, as with Envoy.
    let sent = Edited::over(request, &request_edits, target.as_deref(), host.as_deref());
    let hashed = hashed(forward, &sent, setting.remote.ip());
    let destination = destination(&cluster, setting.connection, request);
    Ok(Onward::Forward(Box::new(Routed {
        destination,
        cluster,
        route: route.name.clone(),
        target: target.or_else(|| request.changed_target()),
        originals,
        told: Told::default(),
        host: host.or_else(|| request.changed_host()),
        named: by_endpoint.then(|| original_host(forward, request)),
        upgrades: forward.upgrades.clone(),
        terminates: terminates(forward, request),
        hash: hashed.hash,
        criteria: weight.and_then(|weight| weight.criteria.as_ref()).or(forward.criteria.as_ref()).cloned(),
        timeout: forward.timeout,
        idle: forward.idle_timeout.unwrap_or(limits.stream_idle_timeout),
        longest: forward.longest.or(limits.max_stream_duration).filter(|time| !time.is_zero()),
        arrival: Some(limits.request_timeout).filter(|time| !time.is_zero()),
        retry: forward.retry.as_ref().filter(|policy| policy.is_for(request)).cloned(),
        request_edits,
        response_edits: cookies(hashed.cookies).chain(selected.response_edits(&facts)).collect(),
        session: None,
        mirrors: mirrors(&selected, routes, &facts),
        max_request_bytes: None,
        fault: None,
        delayed: false,
    })))
}

/// What a request is kept together with others by.
fn hashed<R: RequestHead>(forward: &Forward, request: &R, source: IpAddr) -> Hashed {
    HashPolicy::apply(&forward.hash, request, source, balance::hash, || rand::rng().random())
}

/// Whether a cluster takes this request.
fn admits(cluster: &Cluster) -> Result<(), ProxyError> {
    let text = || format!("a share of the requests to {} is refused", cluster.name);
    if cluster.drops() { Err(ProxyError::new(ErrorKind::DropOverload, text())) } else { Ok(()) }
}

/// Where a route leads, or the answer that it gives itself.
fn forward<'a, R: RequestHead>(route: &'a Route, connection: &Connection, request: &R) -> Result<&'a Forward, Reply> {
    match &route.action {
        Action::Forward(forward) => Ok(forward),
        Action::Redirect(redirect) => {
            let (scheme, authority, target) = (connection.scheme(), request.authority(), request.target());
            let location = redirect.location(&route.matches.path, scheme, authority, target);
            Err(Reply::redirect(redirect.status, location))
        }
        Action::DirectResponse(direct) => Err(Reply::direct(direct.status, direct.body.to_string())),
    }
}

impl Routed {
    /// How long it may wait for a connection; `None`: without end.
    pub(super) fn patience(&self) -> Option<Duration> {
        self.timeout.or(Some(self.idle)).filter(|time| !time.is_zero())
    }

    /// What it wants of an endpoint.
    pub(super) fn wanted<'a>(&'a self, tried: &'a Tried) -> Wanted<'a> {
        let selection = self.retry.as_ref().map(|policy| &policy.hosts);
        // Who failed is not asked for again.
        let preferred = self.session.as_ref().filter(|_| tried.is_empty()).and_then(|session| session.preferred());
        Wanted { hash: self.hash, criteria: self.criteria.as_deref(), tried: Some(tried), selection, preferred }
    }

    /// Notes who was chosen, where the answer tells it.
    pub(super) fn chose(&self, endpoint: &Endpoint) {
        if let Some(session) = &self.session {
            session.chose(endpoint);
        }
    }

    /// Changes to the headers of the chosen endpoint's answer, in their order.
    pub(super) fn answer_edits(&self) -> Cow<'_, [HeaderEdits]> {
        match &self.session {
            Some(session) => session.with(&self.response_edits),
            None => Cow::Borrowed(&self.response_edits),
        }
    }

    /// Takes over what filters did.
    fn take(&mut self, filtered: Filtered) {
        let Filtered { request_edits, response_edits, max_request_bytes, session, fault, delayed, .. } = filtered;
        self.session = session.map(|session| Box::new(Sticky::new(session)));
        // The filters saw the request before its route changes it, and see the answer after.
        self.request_edits.splice(0..0, request_edits);
        self.response_edits.extend(response_edits);
        (self.max_request_bytes, self.fault, self.delayed) = (max_request_bytes, fault, delayed);
    }

    /// Whether a request of HTTP/1.1 is put into the form of HTTP/2: its endpoint speaks that or may, or gets bytes.
    pub(super) fn is_translated(&self) -> bool {
        let http2 = match self.cluster.protocol {
            HttpProtocol::Http2 | HttpProtocol::Auto => true,
            HttpProtocol::Http1 | HttpProtocol::AsCaller => false,
        };
        http2 || self.terminates == Terminates::Here
    }

    /// Whether an upgrade is passed on.
    pub(super) fn passes_upgrade(&self, manager: &HttpConnectionManager, name: &str) -> bool {
        passes_upgrade(manager, self.upgrades.as_deref(), name)
    }

    /// Whether the host becomes the endpoint's own.
    pub(super) fn is_named_by_endpoint(&self) -> bool {
        self.named.is_some()
    }

    /// The host that an endpoint is asked for; `None`: the caller's.
    pub(super) fn host_at<'a>(&'a self, endpoint: &'a Endpoint) -> Option<&'a str> {
        let hostname = &endpoint.standing.hostname;
        let own = (self.named.is_some() && !hostname.is_empty()).then_some(&**hostname);
        own.or(self.host.as_deref())
    }

    /// What an endpoint is told where the host becomes its own.
    pub(super) fn named_by(&self, endpoint: &Endpoint) -> Option<&[(&'static str, String)]> {
        self.named.as_deref().filter(|_| !endpoint.standing.hostname.is_empty())
    }

    /// Whether a body of so many bytes is too large.
    pub(super) fn is_too_large(&self, bytes: u64) -> bool {
        self.max_request_bytes.is_some_and(|most| bytes > u64::from(most.get()))
    }
}

/// Who gets a request as well.
fn mirrors<R: RequestHead>(selected: &Selected<'_>, routes: &Routes, facts: &Facts<'_, R>) -> Vec<Mirrored> {
    let chosen = selected.mirrors().iter().filter(|mirror| mirror.share.hits(&mut rand::rng()));
    let mirrored = chosen.filter_map(|mirror| {
        let cluster = Arc::clone(routes.clusters.get(&mirror.cluster)?);
        Some(Mirrored { cluster, host: mirror.host.clone(), edits: mirror::bound(&mirror.edits, facts) })
    });
    mirrored.collect()
}

/// What a rewrite changes, as it was.
fn originals<R: RequestHead>(forward: &Forward, host: bool, request: &R) -> Originals {
    let path = forward.path_rewrite.as_ref().map(|_| (header::ORIGINAL_PATH, request.target().to_owned()));
    let host = if host { original_host(forward, request) } else { Originals::new() };
    path.into_iter().chain(host).collect()
}

/// The host before a rewrite.
fn original_host<R: RequestHead>(forward: &Forward, request: &R) -> Originals {
    let authority = request.authority();
    let forwarded = (forward.tells_host && !authority.is_empty()).then(|| {
        let before: Vec<_> = request.values(header::FORWARDED_HOST).map(String::from_utf8_lossy).collect();
        let mut hosts = before.join(",");
        if hosts.rsplit(',').next() != Some(authority) {
            hosts += if hosts.is_empty() { "" } else { "," };
            hosts += authority;
        }
        (header::FORWARDED_HOST, hosts)
    });
    [(header::ORIGINAL_HOST, authority.to_owned())].into_iter().chain(forwarded).collect()
}

/// Where an original-destination cluster leads.
fn destination<R: RequestHead>(cluster: &Cluster, connection: &Connection, request: &R) -> SocketAddr {
    let ClusterKind::OriginalDst(OriginalDst { header: Some(header), .. }) = &cluster.kind else {
        return connection.destination();
    };
    let named = request.header(header).and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
    named.unwrap_or_else(|| connection.destination())
}

/// Gives the caller cookies.
fn cookies(values: Vec<String>) -> impl Iterator<Item = HeaderEdits> {
    values.into_iter().map(|value| {
        let write = HeaderWrite {
            name: "set-cookie".into(),
            value: HeaderText::Plain(value.into()),
            append: HeaderAppend::Append,
        };
        HeaderEdits { remove: Vec::new(), add: vec![write] }
    })
}

/// The routes of a connection manager.
pub(super) async fn routes(manager: &HttpConnectionManager) -> Result<Arc<Routes>, ProxyError> {
    match &manager.routes {
        RouteSource::Inline(routes) => Ok(Arc::clone(routes)),
        RouteSource::Named(slot) => known(slot, "route configuration", ErrorKind::NoRoute).await,
    }
}

async fn cluster(routes: &Routes, name: &str) -> Result<Arc<Cluster>, ProxyError> {
    match routes.clusters.get(name) {
        Some(slot) => known(slot, "cluster", ErrorKind::NoCluster).await,
        None => Err(ProxyError::new(ErrorKind::NoCluster, format!("there is no cluster {name}"))),
    }
}

async fn known<T>(slot: &Slot<T>, what: &str, absent: ErrorKind) -> Result<Arc<T>, ProxyError> {
    match slot.known(CONFIG).await {
        Ok(Some(value)) => Ok(value),
        Ok(None) => Err(ProxyError::new(absent, format!("there is no {what} {}", slot.name()))),
        Err(_) => Err(ProxyError::new(ErrorKind::ConfigTimeout, format!("{what} {} is not known yet", slot.name()))),
    }
}
