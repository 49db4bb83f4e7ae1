//! Tokens that requests must have.

use std::{
    borrow::Cow,
    time::{SystemTime, UNIX_EPOCH},
};

use leno_engine::{
    filter::{FilterConfig, HttpFilter},
    jwt::{JwtAuthn, JwtFailure, KeySet, Keys, Requirement, Verdict, Verified},
    request::RequestHead,
};
use rand::RngExt as _;

use super::{
    super::{judged::Judged, reply::Reply},
    Filtered, Setting, answered,
};
use crate::{
    error::ErrorKind,
    service::keys,
    telemetry::{
        decision::{FilterDecided, FilterDecision as Decision, FilterName},
        event::Denied,
    },
};

/// Under which other filters find what tokens say.
const NAMESPACE: &str = "envoy.filters.http.jwt_authn";
/// How much of the path a refused caller is told: Envoy's.
const PATH: usize = 256;

impl Filtered {
    /// Demands tokens; the answer, when they are missing or do not hold.
    pub(super) async fn authenticate<R: RequestHead>(
        &mut self,
        filter: &HttpFilter,
        setting: &Setting<'_>,
        request: &Judged<'_, R>,
    ) -> Option<Reply> {
        match self.judge_tokens(filter, setting, request).await? {
            Ok(()) => {
                count(setting, Decision::Allowed);
                None
            }
            Err((decision, reply)) => Some(refused(setting, decision, reply)),
        }
    }

    /// Looks at the tokens of a request and changes it by them; what it is answered when they do not hold. `None`: none is
    /// demanded. Nothing is counted.
    pub(in super::super) async fn judge_tokens<R: RequestHead>(
        &mut self,
        filter: &HttpFilter,
        setting: &Setting<'_>,
        request: &Judged<'_, R>,
    ) -> Option<Result<(), (Decision, Reply)>> {
        let FilterConfig::JwtAuthn(authn) = &filter.config else { return None };
        let cleaned = authn.cleaned(&self.seen(request));
        if !cleaned.is_empty() {
            self.request_edits.push(cleaned);
        }
        let demanded = match filter.config(&setting.levels()) {
            Some(FilterConfig::JwtRequirement(name)) => match authn.named(name) {
                Some(requirement) => Some(requirement),
                None => return Some(Err((Decision::Error, unknown(name)))),
            },
            _ => authn.requirement(&self.seen(request), rand::rng().random()),
        };
        let demanded = demanded.filter(|_| !(authn.passes_preflight && is_preflight(&self.seen(request))));
        Some(match self.look(authn, demanded?, setting, request).await {
            Ok(verified) => {
                self.verified(verified);
                Ok(())
            }
            Err(failure) => Err((Decision::Denied, reply(authn, &self.seen(request), failure))),
        })
    }

    /// Looks at the tokens; keys that are not known are fetched.
    async fn look<R: RequestHead>(
        &self,
        authn: &JwtAuthn,
        requirement: &Requirement,
        setting: &Setting<'_>,
        request: &Judged<'_, R>,
    ) -> Result<Verified, JwtFailure> {
        let worker = &setting.connection.worker;
        let remote = |place: usize| match authn.providers.get(place).map(|provider| &provider.keys) {
            Some(Keys::Remote(remote)) => Some(remote),
            Some(Keys::Local(_)) | None => None,
        };
        // Each provider's keys are fetched once.
        let mut fetched: Vec<(usize, KeySet)> = Vec::new();
        loop {
            let known = |place| match fetched.iter().find(|(of, _)| *of == place) {
                Some((_, keys)) => keys.clone(),
                None => remote(place).map_or(KeySet::Failed, |remote| worker.keys.get(remote)),
            };
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            match authn.check(requirement, &self.seen(request), known, now) {
                Verdict::Passed(verified) => return Ok(*verified),
                Verdict::Failed(failure) => return Err(failure),
                Verdict::Wanted(place) => {
                    let slot = remote(place).and_then(|remote| setting.service(&remote.service.cluster));
                    let keys = match (remote(place), slot) {
                        (Some(remote), Some(slot)) => keys::fetched(worker, slot, remote).await,
                        (Some(_) | None, _) => None,
                    };
                    fetched.push((place, keys.map_or(KeySet::Failed, KeySet::Known)));
                }
            }
        }
    }

    /// Changes a request whose tokens hold.
    fn verified(&mut self, verified: Verified) {
        let Verified { edits, target, metadata, reroutes } = verified;
        if !edits.is_empty() {
            self.request_edits.push(edits);
        }
        self.target = target.or(self.target.take());
        if !metadata.is_empty() {
            self.metadata.add(NAMESPACE, metadata);
        }
        self.reroutes = reroutes;
    }
}

/// Whether a browser asks whether it may.
fn is_preflight<R: RequestHead>(request: &R) -> bool {
    request.method() == "OPTIONS"
        && request.header("origin").is_some_and(|origin| !origin.is_empty())
        && request.header("access-control-request-method").is_some_and(|method| !method.is_empty())
}

/// The answer to a request whose tokens do not hold ([RFC 6750, 3]).
///
/// [RFC 6750, 3]: https://www.rfc-editor.org/rfc/rfc6750#section-3
fn reply<R: RequestHead>(authn: &JwtAuthn, request: &R, failure: JwtFailure) -> Reply {
    if authn.silent {
        return answered(ErrorKind::Unauthenticated, failure.status(), "");
    }
    let path: String = request.target().chars().take(PATH).collect();
    let mut challenge = format!("Bearer realm=\"http://{}{path}\"", request.authority());
    if failure != JwtFailure::Missing {
        challenge.push_str(", error=\"invalid_token\"");
    }
    let mut reply = answered(ErrorKind::Unauthenticated, failure.status(), failure.to_string());
    reply.headers.push((Cow::Borrowed("www-authenticate"), challenge));
    Reply { detail: failure.to_string(), ..reply }
}

/// The answer where a route demands what the filter does not know.
fn unknown(name: &str) -> Reply {
    let text = format!("Failed JWT authentication: there is no requirement {name}");
    answered(ErrorKind::Unauthenticated, 403, text)
}

fn count(setting: &Setting<'_>, decision: Decision) {
    FilterDecided { worker: &setting.connection.worker, filter: FilterName::JwtAuthn, decision }.emit();
}

/// Counts and logs a refusal.
fn refused(setting: &Setting<'_>, decision: Decision, reply: Reply) -> Reply {
    count(setting, decision);
    let Setting { connection, callee, protocol, .. } = *setting;
    let (reason, detail) = (ErrorKind::Unauthenticated, &*reply.detail);
    Denied { connection, callee, reason, detail, protocol, request: None, enforced: true }.emit();
    reply
}
