//! What is to be done with a request: all decisions, no I/O.

use std::{sync::Arc, time::Duration};

use leno_engine::{
    authorization::{Subject, Verdict},
    request::RequestHead,
    resilience::RetryPolicy,
    route::{Action, Forward, HeaderEdits, HostRewrite},
};

use super::{header, judged::Judged, reply::Reply};
use crate::{
    config::{Cluster, HttpConnectionManager, RouteSource, Routes, Slot},
    connection::{Admission, Callee, Connection},
    error::{ErrorKind, ProxyError},
    telemetry::event::{Denied, Protocol},
};

/// How long a request waits for routes and clusters that are asked for at this moment.
pub(super) const CONFIG: Duration = Duration::from_secs(5);

/// A request that goes on.
#[derive(Clone, Debug)]
pub(super) struct Routed {
    /// Where to.
    pub(super) cluster: Arc<Cluster>,
    /// The route's name; may be empty.
    pub(super) route: Box<str>,
    /// The new target, when it changes.
    pub(super) target: Option<String>,
    /// The new host, when it changes.
    pub(super) host: Option<Box<str>>,
    /// What was there before a rewrite, for the callee.
    pub(super) originals: Vec<(&'static str, String)>,
    /// How long the answer may take once the request is there.
    pub(super) timeout: Option<Duration>,
    /// How long the request may take to arrive.
    pub(super) arrival: Option<Duration>,
    /// How long nothing may move.
    pub(super) idle: Duration,
    /// When to try again.
    pub(super) retry: Option<Arc<RetryPolicy>>,
    /// Changes to the request's headers, in their order.
    pub(super) request_edits: Vec<HeaderEdits>,
    /// Changes to the answer's headers, in their order.
    pub(super) response_edits: Vec<HeaderEdits>,
}

/// What is to be done with a request.
#[derive(Debug)]
pub(super) enum Decision {
    /// It goes on.
    Forward(Box<Routed>),
    /// It is answered here.
    Answer(Reply),
}

/// Decides on a request. Access comes first: who may not call does not learn which routes there are.
pub(super) async fn decide<R: RequestHead>(
    connection: &Connection,
    manager: &HttpConnectionManager,
    callee: &Callee,
    protocol: Protocol,
    request: &R,
) -> Decision {
    let request = match Judged::new(request, manager.paths) {
        Ok(request) => request,
        Err(reply) => return Decision::Answer(reply),
    };
    let refused = overloaded(connection).or_else(|| refused(connection, manager, callee, protocol, &request));
    if let Some(reply) = refused {
        return Decision::Answer(reply);
    }
    match route(manager, protocol, &request).await {
        Ok(decision) => decision,
        Err(error) => Decision::Answer(Reply::from(error)),
    }
}

/// The answer on a connection above the limit.
fn overloaded(connection: &Connection) -> Option<Reply> {
    let text = "the proxy has as many connections as it may have";
    (connection.admission == Admission::Shed).then(|| Reply::from(ProxyError::new(ErrorKind::Overload, text)))
}

/// The answer to who asks for a protocol that is not passed on.
fn not_upgraded<R: RequestHead>(manager: &HttpConnectionManager, request: &R) -> Option<Reply> {
    let allowed = |name: &str| manager.upgrades.iter().any(|allowed| allowed.eq_ignore_ascii_case(name));
    let refused = request.method() == "CONNECT" && !allowed("connect");
    refused.then(|| Reply::from(ProxyError::new(ErrorKind::UpgradeRefused, "CONNECT is not passed on here")))
}

/// Where a request goes.
async fn route<R: RequestHead>(
    manager: &HttpConnectionManager,
    protocol: Protocol,
    request: &Judged<'_, R>,
) -> Result<Decision, ProxyError> {
    let routes = routes(manager).await?;
    let selected = routes.table.select(request);
    let (host, route) = selected.ok_or_else(|| ProxyError::new(ErrorKind::NoRoute, "no route matches the request"))?;
    if let Some(reply) = not_upgraded(manager, request) {
        return Ok(Decision::Answer(reply));
    }
    let forward = match &route.action {
        Action::Forward(forward) => forward,
        Action::Redirect(redirect) => {
            let (authority, target) = (request.authority(), request.target());
            let location = redirect.location(&route.matches.path, "http", authority, target);
            let edits = edits([&route.response_headers, &host.response_headers, &routes.table.response_headers]);
            return Ok(Decision::Answer(Reply::redirect(redirect.status, location).edited(&edits)));
        }
        Action::DirectResponse(direct) => {
            let reply = Reply::direct(direct.status, direct.body.to_string());
            let edits = edits([&route.response_headers, &host.response_headers, &routes.table.response_headers]);
            return Ok(Decision::Answer(reply.edited(&edits)));
        }
    };
    let chosen = forward.clusters.choose(&mut rand::rng());
    let (name, weighted) =
        chosen.ok_or_else(|| ProxyError::new(ErrorKind::NoCluster, "every cluster of the route has the weight 0"))?;
    let cluster = cluster(&routes, name).await?;
    if !cluster.speaks(protocol) {
        let text =
            format!("{name} is spoken to by another version of HTTP than the caller's, and nothing is translated");
        return Err(ProxyError::new(ErrorKind::UpstreamProtocol, text));
    }
    let none = HeaderEdits::default();
    let (request_headers, response_headers) = match weighted {
        Some(weighted) => (&weighted.request_headers, &weighted.response_headers),
        None => (&none, &none),
    };
    let rewrite = forward.path_rewrite.as_ref();
    let table = &routes.table;
    Ok(Decision::Forward(Box::new(Routed {
        cluster,
        route: route.name.clone(),
        target: rewrite
            .map(|rewrite| rewrite.apply(&route.matches.path, request.target()))
            .or_else(|| request.changed()),
        host: forward.host_rewrite.as_ref().map(|HostRewrite::Literal(host)| host.clone()),
        originals: originals(forward, request),
        timeout: forward.timeout,
        idle: forward.idle_timeout.unwrap_or(manager.limits.stream_idle_timeout),
        arrival: Some(manager.limits.request_timeout).filter(|time| !time.is_zero()),
        retry: forward.retry.as_ref().filter(|policy| policy.is_for(request)).cloned(),
        // Innermost first, as Envoy does: a wider one may overwrite.
        request_edits: edits([request_headers, &route.request_headers, &host.request_headers, &table.request_headers]),
        response_edits: edits([
            response_headers,
            &route.response_headers,
            &host.response_headers,
            &table.response_headers,
        ]),
    })))
}

/// What a rewrite changes, as it was.
fn originals<R: RequestHead>(forward: &Forward, request: &R) -> Vec<(&'static str, String)> {
    let path = forward.path_rewrite.as_ref().map(|_| (header::ORIGINAL_PATH, request.target().to_owned()));
    let host = forward.host_rewrite.as_ref().map(|_| (header::ORIGINAL_HOST, request.authority().to_owned()));
    path.into_iter().chain(host).collect()
}

/// Those that change something.
fn edits<const N: usize>(all: [&HeaderEdits; N]) -> Vec<HeaderEdits> {
    all.into_iter().filter(|edits| !edits.is_empty()).cloned().collect()
}

/// The answer to who may not call.
fn refused<R: RequestHead>(
    connection: &Connection,
    manager: &HttpConnectionManager,
    callee: &Callee,
    protocol: Protocol,
    request: &R,
) -> Option<Reply> {
    let rbac = manager.rbac.as_ref()?;
    // What is left of these is encoded: some servers decode first.
    if manager.paths.normalize && request.path_is_ambiguous() {
        let text = "the path has encoded dot segments or backslashes, so no rule can judge it; send it resolved";
        return Some(Reply::from(ProxyError::new(ErrorKind::BadRequest, text)));
    }
    let identity = (!connection.source.identity.is_empty()).then_some(&*connection.source.identity);
    let subject = Subject {
        identity: if connection.mtls { identity } else { None },
        source: connection.peer,
        destination: connection.original_destination,
        server_name: "",
    };
    let policy = match rbac.check(&subject, request) {
        Verdict::Allowed(_) => return None,
        Verdict::Denied(policy) => policy,
    };
    let caller = subject.identity.unwrap_or("a caller without identity");
    let because = match policy {
        Some(name) => format!("{name} denies it"),
        None if rbac.policies.is_empty() => "no policy allows anybody".to_owned(),
        None => "no policy allows it".to_owned(),
    };
    let (method, path) = (request.method(), request.path());
    let to = if callee.service.is_empty() { "this workload" } else { &*callee.service };
    let detail = format!("access denied: {caller} may not {method} {path} of {to}: {because}");
    let reason = ErrorKind::AccessDenied;
    Denied { connection, callee, reason, detail: &detail, protocol, request: Some((method, path.as_bytes())) }.emit();
    Some(Reply::denied(&detail, policy.unwrap_or("default deny").to_owned()))
}

async fn routes(manager: &HttpConnectionManager) -> Result<Arc<Routes>, ProxyError> {
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
