//! Who may ask for what.

use leno_engine::{
    authorization::{Rbac, Subject, Verdict},
    filter::AccessControl,
    request::RequestHead,
};

use super::{super::reply::Reply, Setting};
use crate::{
    error::{ErrorKind, ProxyError},
    telemetry::event::Denied,
};

/// The answer to who may not call.
pub(super) fn refused<R: RequestHead>(setting: &Setting<'_>, control: &AccessControl, request: &R) -> Option<Reply> {
    if let Some(rules) = &control.shadow
        && let Some((detail, _)) = denied(setting, rules, request)
    {
        emit(setting, request, &detail, false);
    }
    let rules = control.rules.as_ref()?;
    // What is left of these is encoded: some servers decode first.
    if setting.manager.paths.normalize && request.path_is_ambiguous() {
        let text = "the path has encoded dot segments or backslashes, so no rule can judge it; send it resolved";
        return Some(Reply::from(ProxyError::new(ErrorKind::BadRequest, text)));
    }
    let (detail, policy) = denied(setting, rules, request)?;
    emit(setting, request, &detail, true);
    Some(Reply::denied(&detail, policy.unwrap_or("default deny").to_owned()))
}

/// What the rules have against a request, in words, and the policy that says so.
fn denied<'r, R: RequestHead>(
    setting: &Setting<'_>,
    rules: &'r Rbac,
    request: &R,
) -> Option<(String, Option<&'r str>)> {
    let Setting { connection, callee, .. } = setting;
    let identity = (!connection.source.identity.is_empty()).then_some(&*connection.source.identity);
    let subject = Subject {
        identity: if connection.mtls { identity } else { None },
        source: connection.peer,
        destination: connection.original_destination,
        server_name: &connection.server_name,
    };
    let policy = match rules.check(&subject, request) {
        Verdict::Allowed(_) => return None,
        Verdict::Denied(policy) => policy,
    };
    let caller = subject.identity.unwrap_or("a caller without identity");
    let because = match policy {
        Some(name) => format!("{name} denies it"),
        None if rules.policies.is_empty() => "no policy allows anybody".to_owned(),
        None => "no policy allows it".to_owned(),
    };
    let (method, path) = (request.method(), request.path());
    let to = if callee.service.is_empty() { "this workload" } else { &*callee.service };
    Some((format!("access denied: {caller} may not {method} {path} of {to}: {because}"), policy))
}

fn emit<R: RequestHead>(setting: &Setting<'_>, request: &R, detail: &str, enforced: bool) {
    let Setting { connection, callee, protocol, .. } = *setting;
    let reason = ErrorKind::AccessDenied;
    let request = Some((request.method(), request.path().as_bytes()));
    Denied { connection, callee, reason, detail, protocol, request, enforced }.emit();
}
