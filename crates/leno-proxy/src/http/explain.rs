//! What would be done with a request, found out by what decides on requests; nothing is counted, waited for or taken.

use std::rc::Rc;

use leno_api::explain::{Branch, Decider, Explanation, Refusal, Request, Step};
use leno_engine::{
    filter::{Abort, AbortStatus, Delay, Fault, FilterConfig, HttpFilter, LocalRateLimit},
    request::{RequestHead, SimpleRequest},
    route::Action,
};

use super::{
    decide::{self, Onward, Routed},
    filter::{Filtered, Setting, access_control, edited::Edited},
    forwarded,
    held::{Incoming, Unheld},
    judged::Judged,
    reply::{Reply, is_grpc},
    selected::Selected,
};
use crate::{
    clock,
    config::{HttpConnectionManager, Routes, Wanted},
    connection::{Callee, Connection},
    error::{ErrorKind, ProxyError},
    explain::{self, percent, refusal, step},
    telemetry::event::Protocol,
};

/// A request without a body.
struct Nothing;

impl Incoming for Nothing {
    async fn hold(&mut self, _: usize, _: std::time::Duration) -> Result<(), Unheld> {
        Ok(())
    }

    fn content(&self, _: usize) -> Vec<u8> {
        Vec::new()
    }

    fn length(&self) -> u64 {
        0
    }

    fn is_complete(&self) -> bool {
        true
    }
}

/// A place that a request may go to, and what the filters say on the way there.
struct Way {
    branch: Branch,
    steps: Vec<Step>,
    refusals: Vec<Refusal>,
}

/// What would be done with a request.
pub(crate) async fn explain(
    connection: &Rc<Connection>,
    manager: &HttpConnectionManager,
    request: &Request,
    told: &mut Explanation,
) {
    let headers = request.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
    let mut head = SimpleRequest::new(&request.method, &request.path, &request.host);
    head.headers = headers.collect();
    let protocol = match (request.http2, head.header("content-type").is_some_and(is_grpc)) {
        (true, true) => Protocol::Grpc,
        (true, false) => Protocol::Http2,
        (false, _) => Protocol::Http1,
    };
    let judged = match Judged::new(connection, manager, &head) {
        Ok(judged) => judged,
        Err(reply) => return told.refusals.push(answer(&reply)),
    };
    let routes = decide::routes(manager).await;
    let known = routes.as_deref().ok();
    let selected = known.and_then(|routes| Selected::of(routes, &judged));
    if let (Some(routes), Some(selected)) = (known, &selected) {
        told.steps.extend(route(routes, selected));
    }
    let remote = forwarded::source(connection, &manager.forwarding, &judged);
    let callee = &Callee::of(connection, &manager.stat_prefix);
    let branches = selected.map_or_else(
        || vec![(None, 100.0)],
        |selected| selected.branches().into_iter().map(|(selected, share)| (Some(selected), share)).collect(),
    );
    let mut ways = Vec::new();
    for (selected, share) in branches {
        let setting = Setting { connection, manager, callee, protocol, remote, routes: known, selected };
        let mut way = way(connection, &setting, routes.as_deref(), &judged).await;
        way.branch.share = share;
        ways.push(way);
    }
    join(ways, told);
}

/// What the filters say in the same way for all branches is said once.
fn join(ways: Vec<Way>, told: &mut Explanation) {
    let alike = ways.windows(2).all(|two| match two {
        [one, other] => one.steps == other.steps && one.refusals == other.refusals,
        _ => true,
    });
    if alike && let Some(first) = ways.first() {
        told.steps.extend(first.steps.iter().cloned());
        told.refusals.extend(first.refusals.iter().cloned());
        let nowhere = |branch: &Branch| branch.cluster.is_empty();
        for Way { mut branch, .. } in ways {
            if nowhere(&branch) {
                told.refusals.append(&mut branch.refusals);
            } else {
                told.branches.push(branch);
            }
        }
    } else {
        told.branches = ways
            .into_iter()
            .map(|Way { mut branch, steps, refusals }| {
                branch.steps = steps;
                branch.refusals.splice(0..0, refusals);
                branch
            })
            .collect();
    }
    if told.refusals.iter().any(Refusal::is_whole) {
        told.branches.clear();
    }
}

/// What chose the route, and what it says.
fn route(routes: &Routes, selected: &Selected<'_>) -> Vec<Step> {
    let route = selected.route;
    let mut steps = Vec::new();
    if routes.table.hosts.len() > 1 {
        steps.push(step(Decider::VirtualHost, selected.host(), &[], ""));
    }
    let mut says = match &route.action {
        Action::Forward(_) => String::new(),
        Action::Redirect(redirect) => format!("redirects with {}", redirect.status),
        Action::DirectResponse(direct) => format!("answers with {} itself", direct.status),
    };
    if let Some(share) = route.matches.fraction {
        says = format!("for {} % of such requests {says}", percent(share)).trim_end().to_owned();
    }
    let name = if route.name.is_empty() { &*routes.name } else { &*route.name };
    steps.push(step(Decider::Route, name, &route.origins, says));
    steps
}

/// What becomes of a request whose route, and cluster of it, is chosen.
async fn way<R: RequestHead>(
    connection: &Rc<Connection>,
    setting: &Setting<'_>,
    routes: Result<&Routes, &ProxyError>,
    request: &Judged<'_, R>,
) -> Way {
    let mut filtered = Filtered::default();
    let cluster = setting.cluster().unwrap_or_default().to_owned();
    let mut way = Way { branch: Branch { cluster, ..Branch::default() }, steps: Vec::new(), refusals: Vec::new() };
    for filter in &setting.manager.filters {
        let refused = consider(&mut filtered, filter, setting, request, &mut way.steps).await;
        let whole = refused.as_ref().is_some_and(Refusal::is_whole);
        way.refusals.extend(refused);
        if whole {
            return way;
        }
    }
    if let Some(bytes) = filtered.max_request_bytes {
        way.branch.settings.push(format!("bodies of up to {bytes} bytes"));
    }
    let seen = filtered.seen(request);
    match decide::onward(setting, routes, &seen).await {
        Ok(Onward::Forward(routed)) => onward(connection, setting, &routed, &seen, &mut way.branch).await,
        Ok(Onward::Answer(reply)) => way.branch.refusals.push(answer(&reply)),
        Err(error) => way.branch.refusals.push(refusal(&error)),
    }
    way
}

/// What a filter says; what it refuses.
async fn consider<R: RequestHead>(
    filtered: &mut Filtered,
    filter: &HttpFilter,
    setting: &Setting<'_>,
    request: &Judged<'_, R>,
    steps: &mut Vec<Step>,
) -> Option<Refusal> {
    match filter.config(&setting.levels())? {
        FilterConfig::AccessControl(control) => {
            filtered.note(setting, control, request);
            let seen = filtered.seen(request);
            if control.rules.is_some()
                && let Some(error) = access_control::unjudged(setting, &seen)
            {
                return Some(refusal(&error));
            }
            explain::access(
                control,
                |rules| access_control::check(setting, rules, &seen, &filtered.metadata),
                |rules, policy| access_control::describe(setting, rules, &seen, policy),
                steps,
            )
        }
        FilterConfig::Fault(injected) => fault(injected, setting, &filtered.seen(request), steps),
        FilterConfig::LocalRateLimit(limit) => rate_limit(limit, steps),
        FilterConfig::Buffer(_) | FilterConfig::Cors(_) | FilterConfig::HeaderMutation(_) => {
            // These do nothing but to the request, and to what is noted of it here.
            filtered.pass(filter, setting, request, &mut Nothing).await.map(|reply| answer(&reply))
        }
        FilterConfig::StatefulSession(_) => {
            drop(filtered.pass(filter, setting, request, &mut Nothing).await);
            steps.extend(session(filtered, filter));
            None
        }
        FilterConfig::JwtAuthn(_) | FilterConfig::JwtRequirement(_) => {
            match Box::pin(filtered.judge_tokens(filter, setting, request)).await? {
                Ok(()) if filtered.reroutes() => {
                    let says = "the route is chosen anew by what the tokens say, which is not told here";
                    steps.push(step(Decider::Filter, &*filter.name, &[], says));
                    None
                }
                Ok(()) => {
                    steps.push(step(Decider::Filter, &*filter.name, &[], "the tokens do, as far as they are demanded"));
                    None
                }
                Err((_, reply)) => Some(answer(&reply)),
            }
        }
        config @ (FilterConfig::ExtAuthz(_)
        | FilterConfig::ExtAuthzRoute(_)
        | FilterConfig::RateLimit(_)
        | FilterConfig::RateLimitRoute(_)) => {
            if !is_asked(filtered, filter) {
                return None;
            }
            // What a route says does not name the service.
            let service = config.clusters().chain(filter.config.clusters()).next().unwrap_or("a service");
            let says = format!("{service} has a say, and is not asked here");
            steps.push(step(Decider::Filter, &*filter.name, &[], says));
            None
        }
    }
}

/// With whom a session is.
fn session(filtered: &Filtered, filter: &HttpFilter) -> Option<Step> {
    let endpoint = filtered.session.as_ref()?.endpoint?;
    let says = format!("its session is with {endpoint}, where it goes as long as that is well");
    Some(step(Decider::Filter, &*filter.name, &[], says))
}

/// Whether a service is asked about the request at all.
fn is_asked(filtered: &Filtered, filter: &HttpFilter) -> bool {
    match &filter.config {
        FilterConfig::ExtAuthz(own) => {
            own.enabled_metadata.as_ref().is_none_or(|matcher| matcher.matches(&filtered.metadata))
        }
        _ => true,
    }
}

/// What is made to fail.
fn fault<R: RequestHead>(fault: &Fault, setting: &Setting<'_>, request: &R, steps: &mut Vec<Step>) -> Option<Refusal> {
    if !fault.fits(request, setting.cluster()) {
        return None;
    }
    let mut says = Vec::new();
    match fault.delay {
        Some((Delay::Fixed(time), share)) => says.push(format!("delays {} % by {time:?}", percent(share))),
        Some((Delay::Header, _)) => says.push("delays those that ask for it by a header".to_owned()),
        None => {}
    }
    let abort = fault.abort.and_then(|(abort, share)| match abort {
        Abort::Fixed(status) => Some((status, share)),
        Abort::Header => fault.abort(request, &mut rand::rng()).map(|status| (status, share)),
    });
    let refused = abort.map(|(status, share)| {
        let (status, grpc) = match status {
            AbortStatus::Http(status) => (status, String::new()),
            AbortStatus::Grpc(status) => (200, format!(" (gRPC status {status})")),
        };
        says.push(format!("fails {} % with {status}{grpc}", percent(share)));
        let error = ErrorKind::FaultInjected.into();
        Refusal { share: percent(share), status, ..refusal(&error) }
    });
    steps.push(step(Decider::Fault, "", &[], says.join(", ")));
    refused
}

/// How many requests there may be.
fn rate_limit(limit: &LocalRateLimit, steps: &mut Vec<Step>) -> Option<Refusal> {
    let (by_descriptor, by_connection) = (limit.limiter.has_descriptors(), limit.by_connection);
    let whose = match (by_descriptor, by_connection) {
        (true, true) => ", by descriptors, for each connection",
        (true, false) => ", others by descriptors",
        (false, true) => ", for each connection",
        (false, false) => "",
    };
    let Some(bucket) = &limit.limiter.all else {
        if by_descriptor {
            steps.push(step(Decider::Limit, &*limit.stat_prefix, &[], "limits by descriptors".to_owned()));
        }
        return None;
    };
    let left = if by_connection { bucket.limit() } else { bucket.remaining(clock::now()) };
    let says = format!("{} requests at once at most, {left} more now{whose}", bucket.limit());
    steps.push(step(Decider::Limit, &*limit.stat_prefix, &[], says));
    let share = percent(limit.enabled) * percent(limit.enforced) / 100.0;
    (left == 0 && share > 0.0).then(|| {
        let error = ProxyError::new(ErrorKind::RateLimited, format!("rate limited: {}", limit.stat_prefix));
        Refusal { share, status: limit.status.0, ..refusal(&error) }
    })
}

/// Tells of a request that goes on.
async fn onward<R: RequestHead>(
    connection: &Rc<Connection>,
    setting: &Setting<'_>,
    routed: &Routed,
    request: &R,
    branch: &mut Branch,
) {
    let sent = Edited::over(request, &routed.request_edits, routed.target.as_deref(), routed.host.as_deref());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut headers: Vec<_> = sent.all().map(|(name, value)| (text(name), text(value))).collect();
    headers.extend(routed.originals.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    branch.settings.extend(settings(setting, routed));
    if sent.target() != request.target() {
        branch.settings.push(format!("the path becomes {}", sent.target()));
    }
    if sent.authority() != request.authority() {
        branch.settings.push(format!("the host becomes {}", sent.authority()));
    }
    for edits in routed.request_edits.iter().filter(|edits| !edits.is_empty()) {
        let added = edits.add.iter().map(|write| format!("+{}", write.name));
        let changes: Vec<_> = edits.remove.iter().map(|name| format!("-{name}")).chain(added).collect();
        branch.settings.push(format!("request headers: {}", changes.join(" ")));
    }
    branch.request = Some(Request {
        method: sent.method().to_owned(),
        path: sent.target().to_owned(),
        host: sent.authority().to_owned(),
        headers,
        http2: matches!(setting.protocol, Protocol::Http2 | Protocol::Grpc),
    });
    let wanted = Wanted { hash: routed.hash, criteria: routed.criteria.as_deref(), ..Wanted::default() };
    explain::place(connection, &routed.cluster, &wanted, branch).await;
}

/// What holds for a request that goes on, a line each.
fn settings(setting: &Setting<'_>, routed: &Routed) -> Vec<String> {
    let mut lines = Vec::new();
    lines.push(match routed.timeout.filter(|time| !time.is_zero()) {
        Some(time) => format!("answers within {time:?}"),
        None => "answers take as long as they like".to_owned(),
    });
    if !routed.idle.is_zero() {
        lines.push(format!("ended when nothing moves for {:?}", routed.idle));
    }
    if let Some(retry) = routed.retry.as_ref().filter(|retry| retry.retries > 0) {
        let each = retry.per_try_timeout.map(|time| format!(", each within {time:?}")).unwrap_or_default();
        lines.push(format!("up to {} retries{each}", retry.retries));
    }
    if let Some(selected) = &setting.selected {
        for mirror in selected.mirrors() {
            lines.push(format!("{} % copied to {}", percent(mirror.share), mirror.cluster));
        }
    }
    lines
}

/// An answer that the proxy gives itself.
fn answer(reply: &Reply) -> Refusal {
    let header = |wanted: &str| reply.headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let reason = header(super::reply::REASON).and_then(|reason| reason.split_once(' '));
    let location = header("location").map(|location| format!("to {location}"));
    Refusal {
        share: 100.0,
        status: reply.status,
        flag: reply.flags.to_owned(),
        reason: reason.map(|(_, word)| word.to_owned()).unwrap_or_default(),
        detail: location.unwrap_or_else(|| {
            let detail =
                if reply.detail.is_empty() { String::from_utf8_lossy(&reply.body) } else { (&*reply.detail).into() };
            detail.trim().to_owned()
        }),
        policy: String::new(),
    }
}
