//! What a connection has to pass before its chain serves it.

use std::time::Duration;

use leno_engine::{
    authorization::{NoRequest, Rbac, Subject, Verdict},
    filter::{AccessControl, rate_limit::Descriptor},
    route::{Facts, Format},
};

use crate::{
    clock,
    config::{FilterChain, Guard, Permit, ServiceLimit, Terminal},
    connection::{Callee, Connection},
    error::ErrorKind,
    service::{grpc, rate_limit},
    telemetry::{
        decision::{FilterDecided, FilterDecision, FilterName},
        event::{Audited, Denied, Protocol},
    },
};

/// What rules may ask of a connection.
#[must_use]
pub fn subject(connection: &Connection) -> Subject<'_> {
    Subject {
        secure: connection.is_secure(),
        names: connection.names(),
        direct: connection.direct_peer,
        source: connection.peer,
        remote: connection.peer,
        destination: connection.original_destination,
        server_name: &connection.server_name,
        metadata: None,
    }
}

/// Lets a connection pass all guards of a chain, and gives what it holds while it lives; `None` when one of them does not
/// let it: counted and logged, and held as long as that one says.
pub async fn admit(chain: &FilterChain, connection: &Connection) -> Option<Vec<Permit>> {
    let mut permits = Vec::new();
    for guard in &chain.guards {
        let refused = match guard {
            // Boxed: most connections are not asked about.
            Guard::Service(limit) => {
                let refused = Box::pin(asked(limit, connection)).await;
                refused.map(|(reason, detail)| Refused { reason, detail, held: Duration::ZERO })
            }
            Guard::Access(_) | Guard::Rate { .. } | Guard::Connections { .. } => {
                judge(guard, chain, connection, &mut permits)
            }
        };
        if let Some(Refused { reason, detail, held }) = refused {
            emit(chain, connection, reason, &detail, true);
            // It is not in anybody's way meanwhile.
            permits.clear();
            if !held.is_zero() {
                // Boxed: most connections are let in.
                Box::pin(tokio::time::sleep(held)).await;
            }
            return None;
        }
    }
    Some(permits)
}

/// Why a connection does not pass, and how long it is held.
struct Refused {
    reason: ErrorKind,
    detail: String,
    held: Duration,
}

/// What a guard has against a connection; what it holds goes into `permits`.
fn judge(guard: &Guard, chain: &FilterChain, connection: &Connection, permits: &mut Vec<Permit>) -> Option<Refused> {
    let limited = |detail: String, held| Some(Refused { reason: ErrorKind::RateLimited, detail, held });
    match guard {
        Guard::Access(control) => {
            tell(control, chain, connection);
            let detail = denied(control.rules.as_ref(), connection)?;
            Some(Refused { reason: ErrorKind::AccessDenied, detail, held: Duration::ZERO })
        }
        Guard::Rate { stat_prefix, bucket } => {
            if bucket.take(clock::now()) {
                return None;
            }
            limited(format!("more connections than {stat_prefix} allows in this time"), Duration::ZERO)
        }
        Guard::Connections { stat_prefix, limit, delay } => match limit.admit() {
            Some(permit) => {
                permits.push(permit);
                None
            }
            None => limited(format!("{stat_prefix} allows {} connections at the same time", limit.max()), *delay),
        },
        Guard::Service(_) => None,
    }
}

/// What a rate limit service has against a connection.
async fn asked(limit: &ServiceLimit, connection: &Connection) -> Option<(ErrorKind, String)> {
    let worker = &connection.worker;
    let facts = Facts {
        request: &NoRequest,
        source: connection.peer,
        destination: connection.original_destination,
        identity: connection.names().first().map_or("", |name| name),
        server_name: &connection.server_name,
        protocol: "",
        route: "",
        cluster: "",
    };
    let entry = |(key, value): &(Box<str>, Format)| (key.to_string(), value.bind(&facts).text(0, |_| None));
    let descriptors = limit.descriptors.iter().map(|entries| Descriptor {
        entries: entries.iter().map(entry).collect(),
        limit: None,
        hits: None,
        tells: None,
    });
    let descriptors: Vec<_> = descriptors.collect();
    let call = grpc::Call {
        path: rate_limit::PATH,
        authority: &limit.service.authority,
        metadata: grpc::metadata(&limit.service.metadata, &facts),
        timeout: limit.service.timeout,
    };
    let decided = |decision| FilterDecided { worker, filter: FilterName::NetworkRateLimit, decision }.emit();
    match rate_limit::ask(worker, &limit.cluster, &call, &limit.domain, &descriptors).await {
        Ok(answer) if answer.over => {
            decided(FilterDecision::OverLimit);
            Some((ErrorKind::RateLimited, format!("{}: the service says that it is one too many", limit.stat_prefix)))
        }
        Ok(_) => {
            decided(FilterDecision::Allowed);
            None
        }
        Err(error) if limit.failure_denies => {
            decided(FilterDecision::Error);
            Some((ErrorKind::RateLimitService, format!("{}: {error}", limit.stat_prefix)))
        }
        Err(error) => {
            decided(FilterDecision::FailureAllowed);
            tracing::warn!(%error, limit = &*limit.stat_prefix, "no answer of the rate limit service: the connection goes on");
            None
        }
    }
}

/// Whether the access rules of a chain let a connection pass. Nothing is counted.
#[must_use]
pub fn may_connect(chain: &FilterChain, connection: &Connection) -> bool {
    let access = chain.guards.iter().filter_map(|guard| match guard {
        Guard::Access(control) => control.rules.as_ref(),
        Guard::Rate { .. } | Guard::Connections { .. } | Guard::Service(_) => None,
    });
    access.into_iter().all(|rules| denied(Some(rules), connection).is_none())
}

/// Tells what rules that are only tried out would refuse, and what rules let in that only tell.
fn tell(control: &AccessControl, chain: &FilterChain, connection: &Connection) {
    if let Some(detail) = denied(control.shadow.as_ref(), connection) {
        emit(chain, connection, ErrorKind::AccessDenied, &detail, false);
    }
    let Some(rules) = &control.rules else { return };
    if let Some(policy) = rules.told(&rules.check_connection(&subject(connection))) {
        let callee = callee(chain, connection);
        Audited { connection, callee: &callee, policy, protocol: Protocol::Tcp, request: None }.emit();
    }
}

/// What rules have against a connection, in words.
fn denied(rules: Option<&Rbac>, connection: &Connection) -> Option<String> {
    match rules?.check_connection(&subject(connection)) {
        Verdict::Allowed(_) => None,
        Verdict::Denied(policy) => Some(describe(connection, policy)),
    }
}

fn emit(chain: &FilterChain, connection: &Connection, reason: ErrorKind, detail: &str, enforced: bool) {
    let callee = &callee(chain, connection);
    Denied { connection, callee, reason, detail, protocol: Protocol::Tcp, request: None, enforced }.emit();
}

fn callee(chain: &FilterChain, connection: &Connection) -> Callee {
    match &chain.terminal {
        Terminal::Http(manager) => Callee::of(connection, &manager.stat_prefix),
        Terminal::Tcp(proxy) => Callee::of(connection, &proxy.stat_prefix),
    }
}

/// A denial in words: who, where to, and by which policy.
pub(crate) fn describe(connection: &Connection, policy: Option<&str>) -> String {
    let who = connection.names().first().map_or("a caller without identity", |name| name);
    let me = &connection.worker.shared.settings.workload.identity;
    let to = connection.original_destination;
    match policy {
        Some(policy) => format!("{who} is denied access to {me} at {to} by {policy}"),
        None => format!("{who} is denied access to {me} at {to}: no policy allows it"),
    }
}
