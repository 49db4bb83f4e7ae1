//! Who may ask for what.

use leno_engine::{
    authorization::{Rbac, Subject, Verdict},
    filter::AccessControl,
    metadata::Metadata,
    request::RequestHead,
};

use super::{
    super::{judged::Judged, reply::Reply},
    Filtered, Setting,
};
use crate::{
    connection::Direction,
    error::{ErrorKind, ProxyError},
    listener::guard,
    telemetry::{
        decision::{FilterDecided, FilterDecision, FilterName},
        event::{Audited, Denied},
    },
};

/// Under which other filters find what rules that are only tried out say: Envoy's name for the filter, whatever it is called.
const NAMESPACE: &str = "envoy.filters.http.rbac";

impl Filtered {
    /// Tells what would be refused if the rules that are only tried out were in force, and leaves it for other filters.
    pub(super) fn try_out<R: RequestHead>(
        &mut self,
        setting: &Setting<'_>,
        control: &AccessControl,
        request: &Judged<'_, R>,
    ) {
        let Some(rules) = &control.shadow else { return };
        let seen = self.seen(request);
        let verdict = check(setting, rules, &seen, &self.metadata);
        if let Verdict::Denied(policy) = verdict {
            decided(setting, FilterDecision::NotEnforced);
            emit(setting, &seen, &describe(setting, rules, &seen, policy), false);
        }
        let found = control.found(&verdict);
        self.metadata.add(NAMESPACE, found);
    }

    /// The same, where nothing is to be told.
    pub(in super::super) fn note<R: RequestHead>(
        &mut self,
        setting: &Setting<'_>,
        control: &AccessControl,
        request: &Judged<'_, R>,
    ) {
        let Some(rules) = &control.shadow else { return };
        let found = control.found(&check(setting, rules, &self.seen(request), &self.metadata));
        self.metadata.add(NAMESPACE, found);
    }
}

fn decided(setting: &Setting<'_>, decision: FilterDecision) {
    FilterDecided { worker: &setting.connection.worker, filter: FilterName::AccessControl, decision }.emit();
}

/// The answer to who may not call.
pub(super) fn refused<R: RequestHead>(
    setting: &Setting<'_>,
    control: &AccessControl,
    request: &R,
    metadata: &Metadata,
) -> Option<Reply> {
    let rules = control.rules.as_ref()?;
    // What is left of these is encoded: some servers decode first.
    if let Some(error) = unjudged(setting, request) {
        return Some(Reply::from(error));
    }
    if let Some(policy) = rules.told(&check(setting, rules, request, metadata)) {
        let Setting { connection, callee, protocol, .. } = *setting;
        let request = Some((request.method(), request.path().as_bytes()));
        Audited { connection, callee, policy, protocol, request }.emit();
        decided(setting, FilterDecision::Allowed);
        return None;
    }
    let Some((detail, policy)) = denied(setting, rules, request, metadata) else {
        decided(setting, FilterDecision::Allowed);
        return None;
    };
    decided(setting, FilterDecision::Denied);
    emit(setting, request, &detail, true);
    Some(Reply::denied(&detail, policy.unwrap_or("default deny").to_owned()))
}

/// Why no rule can judge a request, if none can.
pub(in super::super) fn unjudged<R: RequestHead>(setting: &Setting<'_>, request: &R) -> Option<ProxyError> {
    let text = "the path has encoded dot segments or backslashes, so no rule can judge it; send it resolved";
    let ambiguous = setting.manager.paths.normalize && request.path_is_ambiguous();
    ambiguous.then(|| ProxyError::new(ErrorKind::BadRequest, text))
}

/// What rules say to a request.
pub(in super::super) fn check<'r, R: RequestHead>(
    setting: &Setting<'_>,
    rules: &'r Rbac,
    request: &R,
    metadata: &Metadata,
) -> Verdict<'r> {
    rules.check(&subject(setting, metadata), request)
}

/// What rules may ask of the connection, with what the request says of it.
fn subject<'a>(setting: &Setting<'a>, metadata: &'a Metadata) -> Subject<'a> {
    Subject { remote: setting.remote, metadata: Some(metadata), ..guard::subject(setting.connection) }
}

/// What the rules have against a request, in words, and the policy that says so.
fn denied<'r, R: RequestHead>(
    setting: &Setting<'_>,
    rules: &'r Rbac,
    request: &R,
    metadata: &Metadata,
) -> Option<(String, Option<&'r str>)> {
    match check(setting, rules, request, metadata) {
        Verdict::Allowed(_) => None,
        Verdict::Denied(policy) => Some((describe(setting, rules, request, policy), policy)),
    }
}

/// A denial in words.
pub(in super::super) fn describe<R: RequestHead>(
    setting: &Setting<'_>,
    rules: &Rbac,
    request: &R,
    policy: Option<&str>,
) -> String {
    let Setting { connection, callee, .. } = *setting;
    let unknown = "a caller without identity";
    let (caller, elsewhere) = match connection.direction {
        Direction::Inbound => (connection.names().first().map_or(unknown, |name| name), "this workload".to_owned()),
        Direction::Outbound => (&*connection.source.identity, connection.original_destination.to_string()),
    };
    let because = match policy {
        Some(name) => format!("{name} denies it"),
        None if rules.policies.is_empty() => "no policy allows anybody".to_owned(),
        None => "no policy allows it".to_owned(),
    };
    let (method, path) = (request.method(), request.path());
    let to = if callee.service.is_empty() { &*elsewhere } else { &*callee.service };
    format!("access denied: {caller} may not {method} {path} of {to}: {because}")
}

fn emit<R: RequestHead>(setting: &Setting<'_>, request: &R, detail: &str, enforced: bool) {
    let Setting { connection, callee, protocol, .. } = *setting;
    let reason = ErrorKind::AccessDenied;
    let request = Some((request.method(), request.path().as_bytes()));
    Denied { connection, callee, reason, detail, protocol, request, enforced }.emit();
}
