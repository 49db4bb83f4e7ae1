//! What a connection has to pass before its chain serves it.

use std::time::Duration;

use leno_engine::{
    authorization::{Rbac, Subject, Verdict},
    filter::AccessControl,
};

use crate::{
    clock,
    config::{FilterChain, Guard, Permit, Terminal},
    connection::{Callee, Connection},
    error::ErrorKind,
    telemetry::event::{Audited, Denied, Protocol},
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
    match judge(chain, connection) {
        Ok(permits) => Some(permits),
        Err(held) => {
            if !held.is_zero() {
                // Boxed: most connections are let in.
                Box::pin(tokio::time::sleep(held)).await;
            }
            None
        }
    }
}

/// What a connection holds, or how long it is held.
fn judge(chain: &FilterChain, connection: &Connection) -> Result<Vec<Permit>, Duration> {
    let (mut permits, mut held) = (Vec::new(), Duration::ZERO);
    for guard in &chain.guards {
        let refused = match guard {
            Guard::Access(control) => {
                tell(control, chain, connection);
                denied(control.rules.as_ref(), connection).map(|detail| (ErrorKind::AccessDenied, detail))
            }
            Guard::Rate { stat_prefix, bucket } => {
                let detail = || format!("more connections than {stat_prefix} allows in this time");
                (!bucket.take(clock::now())).then(|| (ErrorKind::RateLimited, detail()))
            }
            Guard::Connections { stat_prefix, limit, delay } => match limit.admit() {
                Some(permit) => {
                    permits.push(permit);
                    None
                }
                None => {
                    let detail = format!("{stat_prefix} allows {} connections at the same time", limit.max());
                    held = *delay;
                    Some((ErrorKind::RateLimited, detail))
                }
            },
        };
        if let Some((reason, detail)) = refused {
            emit(chain, connection, reason, &detail, true);
            return Err(held);
        }
    }
    Ok(permits)
}

/// Whether the access rules of a chain let a connection pass. Nothing is counted.
#[must_use]
pub fn may_connect(chain: &FilterChain, connection: &Connection) -> bool {
    let access = chain.guards.iter().filter_map(|guard| match guard {
        Guard::Access(control) => control.rules.as_ref(),
        Guard::Rate { .. } | Guard::Connections { .. } => None,
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
