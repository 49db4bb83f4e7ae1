//! Asking a service whether a request may go on.

use std::num::NonZeroU32;

use bytes::Bytes;
use leno_engine::{
    filter::{
        FilterConfig, GrpcService, HttpFilter,
        authorize::{
            AuthzAllowed, AuthzAnswer, AuthzDenied, AuthzRoute, AuthzService, BodySettings, ExtAuthz, HttpAuthz,
        },
    },
    request::RequestHead,
    route::{HeaderAppend, HeaderEdits, HeaderText, HeaderWrite},
};

use super::{
    super::{held::Incoming, judged::Judged, reply::Reply},
    Filtered, Setting, answered,
};
use crate::{
    connection::Connection,
    error::ErrorKind,
    http::header::{FORWARDED_PROTO, REQUEST_ID, request_id},
    service::{AskError, authorization, grpc, http},
    telemetry::{
        decision::{FilterDecided, FilterDecision as Decision, FilterName},
        event::Denied,
    },
};

/// Under which other filters find what the service found out.
const NAMESPACE: &str = "envoy.filters.http.ext_authz";
/// Says whether the body that the service sees is all of it. Callers cannot.
const PARTIAL_BODY: &str = "x-envoy-auth-partial-body";
/// Says that nobody was asked.
const FAILURE_ALLOWED: &str = "x-envoy-auth-failure-mode-allowed";
/// The reply to a body that is larger than the service may see.
const TOO_LARGE: &str = "Payload Too Large";

/// A question about one request.
struct Question<'a, 'b, R> {
    authz: &'a ExtAuthz,
    setting: &'a Setting<'b>,
    request: &'a R,
    route: &'a AuthzRoute,
    body: Bytes,
    /// Whether `body` is a part; `None`: the service sees no bodies.
    partial: Option<bool>,
    settings: Option<BodySettings>,
    metadata: &'a leno_engine::metadata::Metadata,
}

impl Filtered {
    /// Asks; the answer, when the request does not go on.
    pub(super) async fn authorize<R: RequestHead, B: Incoming>(
        &mut self,
        filter: &HttpFilter,
        setting: &Setting<'_>,
        request: &Judged<'_, R>,
        body: &mut B,
    ) -> Option<Reply> {
        let FilterConfig::ExtAuthz(authz) = &filter.config else { return None };
        let decided = |decision| {
            FilterDecided { worker: &setting.connection.worker, filter: FilterName::ExtAuthz, decision }.emit();
        };
        let wanted = authz.enabled_metadata.as_ref().is_none_or(|matcher| matcher.matches(&self.metadata));
        if !wanted || !authz.enabled.hits(&mut rand::rng()) {
            decided(Decision::Disabled);
            return authz.deny_at_disable.then(|| failed(authz, None));
        }
        let levels = setting.levels();
        let places = filter.configs(&levels).filter_map(|config| match config {
            FilterConfig::ExtAuthzRoute(route) => Some(route),
            _ => None,
        });
        let route = AuthzRoute::merged(places.collect::<Vec<_>>().into_iter()).unwrap_or_default();
        let settings = route.body.unwrap_or(authz.body).filter(|_| !upgrades(request));
        if let Some(BodySettings { max_bytes, partial, .. }) = settings
            && !body.is_complete()
            && let Some(reply) = hold(setting, body, max_bytes, partial).await
        {
            decided(Decision::Denied);
            return Some(reply);
        }
        self.tell(setting.connection, request);
        let most = settings.map_or(0, |settings| settings.max_bytes.get());
        let question = Question {
            authz,
            setting,
            request: &self.seen(request),
            route: &route,
            body: body.content(usize::try_from(most).unwrap_or(usize::MAX)).into(),
            partial: settings.filter(|_| body.length() > 0).map(|_| body.length() > most.into()),
            settings,
            metadata: &self.metadata,
        };
        match question.ask().await {
            Ok(AuthzAnswer::Allowed(allowed)) => {
                decided(Decision::Allowed);
                self.allow(authz, *allowed, request)
            }
            Ok(AuthzAnswer::Denied(denied)) => {
                decided(if authz.shadow { Decision::NotEnforced } else { Decision::Denied });
                let kind = ErrorKind::ExternallyDenied;
                emit(setting, request, kind, "the authorization service refused it", !authz.shadow);
                (!authz.shadow).then(|| refused(authz, denied))
            }
            Ok(AuthzAnswer::Failed(denied)) => {
                decided(unanswered(authz));
                self.fail(setting, request, authz, denied, "the authorization service failed")
            }
            Err(error) => {
                decided(unanswered(authz));
                self.fail(setting, request, authz, None, &error.to_string())
            }
        }
    }

    /// Gives the request what the service is to see of it, and what goes on then.
    fn tell<R: RequestHead>(&mut self, connection: &Connection, request: &Judged<'_, R>) {
        let mut missing = HeaderEdits::default();
        if self.seen(request).header(REQUEST_ID).is_none() {
            missing.add.push(write(REQUEST_ID, request_id().as_str().to_owned()));
        }
        if self.seen(request).header(FORWARDED_PROTO).is_none() {
            missing.add.push(write(FORWARDED_PROTO, connection.scheme().to_owned()));
        }
        if !missing.is_empty() {
            self.request_edits.push(missing);
        }
    }

    /// Changes the request as the service wants.
    fn allow<R: RequestHead>(
        &mut self,
        authz: &ExtAuthz,
        allowed: AuthzAllowed,
        request: &Judged<'_, R>,
    ) -> Option<Reply> {
        let changes = match allowed.changes(&self.seen(request), authz.validates) {
            Ok(changes) => changes,
            Err(error) => {
                tracing::warn!(%error, "the authorization service");
                return Some(Reply { detail: error.to_string(), ..answered(ErrorKind::AuthorizationFailed, 500, "") });
            }
        };
        self.request_edits.extend(changes.request.into_iter().filter(|edits| !edits.is_empty()));
        self.target = changes.target.or(self.target.take());
        self.host = changes.host.or(self.host.take());
        self.edit_answer(std::iter::once(&[changes.response][..]));
        self.reroutes = authz.reroutes && changes.reroutes;
        if authz.keeps_metadata && !allowed.metadata.is_empty() {
            self.metadata.add(NAMESPACE, allowed.metadata);
        }
        None
    }

    /// What becomes of a request about which nothing is known.
    fn fail<R: RequestHead>(
        &mut self,
        setting: &Setting<'_>,
        request: &Judged<'_, R>,
        authz: &ExtAuthz,
        denied: Option<AuthzDenied>,
        why: &str,
    ) -> Option<Reply> {
        if authz.failure_allows {
            tracing::warn!(why, "the authorization service gave no answer: the request goes on");
            if authz.failure_tells {
                let add = vec![write(FAILURE_ALLOWED, "true".to_owned())];
                self.request_edits.push(HeaderEdits { remove: Vec::new(), add });
            }
            return None;
        }
        emit(setting, request, ErrorKind::AuthorizationFailed, why, !authz.shadow);
        (!authz.shadow).then(|| failed(authz, denied))
    }
}

/// What it is called that there was no answer.
fn unanswered(authz: &ExtAuthz) -> Decision {
    match (authz.failure_allows, authz.shadow) {
        (true, _) => Decision::FailureAllowed,
        (false, true) => Decision::NotEnforced,
        (false, false) => Decision::Error,
    }
}

impl<R: RequestHead> Question<'_, '_, R> {
    async fn ask(self) -> Result<AuthzAnswer, AskError> {
        match self.route.service.as_ref().unwrap_or(&self.authz.service) {
            AuthzService::Grpc(service) => self.grpc(service).await,
            AuthzService::Http(http) => self.http(http).await,
        }
    }

    async fn grpc(&self, service: &GrpcService) -> Result<AuthzAnswer, AskError> {
        let Setting { connection, .. } = self.setting;
        let slot = self.setting.service(&service.cluster);
        let slot = slot.ok_or_else(|| AskError::NoCluster(service.cluster.clone()))?;
        let facts = self.setting.facts(self.request);
        let mut headers = self.headers(true);
        headers.extend(
            [
                (":method", self.request.method()),
                (":path", self.request.target()),
                (":authority", self.request.authority()),
                (":scheme", connection.scheme()),
            ]
            .into_iter()
            .filter(|(name, _)| self.authz.headers.sees(name, true))
            .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())),
        );
        let check = authorization::Check {
            source: self.setting.remote,
            principal: connection.names().first().map_or("", |name| name),
            destination: connection.original_destination,
            own_principal: connection.own_name(),
            server_name: self.authz.tells_server_name.then_some(&*connection.server_name),
            method: self.request.method(),
            target: self.request.target(),
            host: self.request.authority(),
            scheme: connection.scheme(),
            protocol: facts.protocol,
            headers,
            raw_headers: self.authz.raw_headers,
            body: &self.body,
            body_as_bytes: self.settings.is_some_and(|settings| settings.bytes),
            size: self.body.len() as u64,
            context: &self.route.context,
            metadata: self.metadata,
            namespaces: &self.authz.metadata_namespaces,
        };
        let call = grpc::Call {
            path: authorization::PATH,
            authority: &service.authority,
            metadata: grpc::metadata(&service.metadata, &facts),
            timeout: service.timeout,
        };
        authorization::check(&connection.worker, slot, &call, check).await
    }

    async fn http(&self, http: &HttpAuthz) -> Result<AuthzAnswer, AskError> {
        let service = &http.service;
        let slot = self.setting.service(&service.cluster);
        let slot = slot.ok_or_else(|| AskError::NoCluster(service.cluster.clone()))?;
        let mut headers = self.headers(false);
        headers.retain(|(name, _)| !matches!(name.as_str(), "content-length" | "transfer-encoding" | "host"));
        if !self.authz.raw_headers {
            let joined = authorization::joined(headers).into_iter();
            headers = joined.map(|(name, value)| (name, value.into_bytes())).collect();
        }
        let facts = self.setting.facts(self.request);
        for write in &http.add {
            let bound = HeaderEdits { remove: Vec::new(), add: vec![write.clone()] }.bind(&facts);
            for HeaderWrite { name, value, append } in bound.add {
                if append == HeaderAppend::Overwrite {
                    headers.retain(|(there, _)| **there != *name);
                }
                let value = value.text(0, |_| None).unwrap_or_default();
                headers.push((name.to_string(), value.into_bytes()));
            }
        }
        let question = http::Question {
            method: self.request.method().to_owned(),
            target: http.target(self.request.target()),
            host: self.request.authority().to_owned(),
            headers,
            body: self.body.clone(),
        };
        let answer = http::ask(&self.setting.connection.worker, slot, service.timeout, &question).await?;
        Ok(http.judge(answer.status, &answer.headers, answer.body))
    }

    /// The headers that the service sees. `unsaid`: whether it sees those of which nothing is said.
    fn headers(&self, unsaid: bool) -> Vec<(String, Vec<u8>)> {
        let seen = self.request.all().filter_map(|(name, value)| {
            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
            // Those of the connection are not the request's; whether the body is all of it a caller cannot say.
            let usual = !unsaid && name == "authorization" && self.authz.headers.sees(&name, true);
            let own = [PARTIAL_BODY, "host", "connection", "keep-alive", "proxy-connection"].contains(&name.as_str());
            let sees = !own && (usual || self.authz.headers.sees(&name, unsaid));
            sees.then(|| (name, value.to_vec()))
        });
        let mut headers: Vec<_> = seen.collect();
        if let Some(partial) = self.partial {
            headers.push((PARTIAL_BODY.to_owned(), partial.to_string().into_bytes()));
        }
        headers
    }
}

/// Holds a body back for the service to see; the answer, when it is too large, or does not come.
async fn hold<B: Incoming>(setting: &Setting<'_>, body: &mut B, max_bytes: NonZeroU32, partial: bool) -> Option<Reply> {
    let most = usize::try_from(max_bytes.get()).unwrap_or(usize::MAX);
    // One byte more tells whether there is more.
    let held = body.hold(if partial { most } else { most + 1 }, setting.manager.limits.stream_idle_timeout).await;
    match held {
        Err(unheld) => Some(Reply::from(unheld)),
        Ok(()) if !partial && body.length() > u64::from(max_bytes.get()) => {
            Some(answered(ErrorKind::BodyTooLarge, 413, TOO_LARGE))
        }
        Ok(()) => None,
    }
}

/// Whether it is no request with a body, but the beginning of something else.
fn upgrades<R: RequestHead>(request: &R) -> bool {
    request.method() == "CONNECT" || request.header("upgrade").is_some()
}

/// The answer that the service wants.
fn refused(authz: &ExtAuthz, denied: AuthzDenied) -> Reply {
    answer(authz, denied, ErrorKind::ExternallyDenied, 403)
}

/// The answer when nobody says what to do.
fn failed(authz: &ExtAuthz, denied: Option<AuthzDenied>) -> Reply {
    let usual = authz.status_on_error;
    match denied {
        Some(denied) => answer(authz, denied, ErrorKind::AuthorizationFailed, usual),
        None => answered(ErrorKind::AuthorizationFailed, usual, ""),
    }
}

fn answer(authz: &ExtAuthz, denied: AuthzDenied, kind: ErrorKind, usual: u16) -> Reply {
    let edits = match denied.headers(authz.validates) {
        Ok(edits) => edits,
        Err(error) => return Reply { detail: error.to_string(), ..answered(ErrorKind::AuthorizationFailed, 500, "") },
    };
    let mut body = denied.body;
    if let Some(most) = authz.max_denied_body {
        body.truncate(usize::try_from(most.get()).unwrap_or(usize::MAX));
    }
    answered(kind, denied.status.unwrap_or(usual), body).edited(&[edits])
}

fn emit<R: RequestHead>(setting: &Setting<'_>, request: &R, reason: ErrorKind, detail: &str, enforced: bool) {
    let Setting { connection, callee, protocol, .. } = *setting;
    let request = Some((request.method(), request.path().as_bytes()));
    Denied { connection, callee, reason, detail, protocol, request, enforced }.emit();
}

fn write(name: &str, value: String) -> HeaderWrite {
    HeaderWrite { name: name.into(), value: HeaderText::Plain(value.into()), append: HeaderAppend::Overwrite }
}
