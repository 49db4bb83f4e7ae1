//! Asking a rate limit service.

use leno_engine::{
    filter::{
        FilterConfig, HttpFilter,
        rate_limit::{
            Descriptor, LimitStatus, RateLimit, RateLimitAnswer, RateLimitFacts, RateLimitRoute, RateLimitRule,
            VirtualHostLimits, applicable, told,
        },
    },
    request::RequestHead,
    route::{HeaderAppend, HeaderEdits, HeaderText, HeaderWrite},
};

use super::{
    super::{judged::Judged, reply::Reply},
    Filtered, Setting, answered,
    rate_limit::RESOURCE_EXHAUSTED,
};
use crate::{
    error::ErrorKind,
    service::{AskError, grpc, rate_limit},
    telemetry::{
        decision::{FilterDecided, FilterDecision as Decision, FilterName},
        event::Denied,
    },
};

/// Says that a limit refused it: a retry is no use before it begins anew.
const RATE_LIMITED: &str = "x-envoy-ratelimited";

impl Filtered {
    /// Asks; the answer, when it is one too many.
    pub(super) async fn rate_limit_service<R: RequestHead>(
        &mut self,
        filter: &HttpFilter,
        setting: &Setting<'_>,
        request: &Judged<'_, R>,
    ) -> Option<Reply> {
        let FilterConfig::RateLimit(limit) = &filter.config else { return None };
        if !limit.enabled.hits(&mut rand::rng()) {
            return None;
        }
        // Nobody is asked about what does not go on, whatever the filter's own rules are.
        setting.selected.filter(|selected| selected.forwards())?;
        let levels = setting.levels();
        let route = match filter.config(&levels) {
            Some(FilterConfig::RateLimitRoute(route)) => Some(&**route),
            _ => None,
        };
        let own = route.map(|route| &route.rules).filter(|rules| !rules.is_empty()).unwrap_or(&limit.rules);
        let option = route.map(|route| route.virtual_host).unwrap_or_default();
        let descriptors = self.descriptors(setting, request, own, (option, limit.stage));
        if descriptors.is_empty() {
            return None;
        }
        let answer = self.ask_limit(limit, route, setting, request, &descriptors).await;
        let decided = |decision| {
            FilterDecided { worker: &setting.connection.worker, filter: FilterName::RateLimit, decision }.emit();
        };
        match answer {
            Ok(answer) => {
                let over = answer.over && limit.enforced.hits(&mut rand::rng());
                decided(if answer.over { Decision::OverLimit } else { Decision::Allowed });
                self.limited(limit, setting, answer, over)
            }
            Err(error) if limit.failure_denies.hits(&mut rand::rng()) => {
                decided(Decision::Error);
                emit(setting, ErrorKind::RateLimitService, &error.to_string());
                Some(answered(ErrorKind::RateLimitService, limit.status_on_error, ""))
            }
            Err(error) => {
                decided(Decision::FailureAllowed);
                tracing::warn!(%error, "the rate limit service gave no answer: the request goes on");
                None
            }
        }
    }

    /// What a request is counted by. `own`: rules of the filter, which count instead of the route's.
    pub(super) fn descriptors<R: RequestHead>(
        &self,
        setting: &Setting<'_>,
        request: &Judged<'_, R>,
        own: &[RateLimitRule],
        (option, stage): (VirtualHostLimits, u32),
    ) -> Vec<Descriptor> {
        let seen = self.seen(request);
        let facts = RateLimitFacts {
            request: &seen,
            source: setting.remote.ip(),
            own_cluster: &setting.connection.worker.shared.settings.workload.workload,
            cluster: setting.cluster().unwrap_or_default(),
            metadata: &self.metadata,
        };
        if !own.is_empty() {
            return own.iter().filter_map(|rule| rule.descriptor(&facts)).collect();
        }
        // What does not go on is not counted.
        let Some(selected) = setting.selected.filter(|selected| selected.forwards()) else { return Vec::new() };
        let (route, host, includes) = selected.rate_limits();
        let option = if includes { VirtualHostLimits::Include } else { option };
        applicable(route, host, option, stage).filter_map(|rule| rule.descriptor(&facts)).collect()
    }

    async fn ask_limit<R: RequestHead>(
        &self,
        limit: &RateLimit,
        route: Option<&RateLimitRoute>,
        setting: &Setting<'_>,
        request: &Judged<'_, R>,
        descriptors: &[Descriptor],
    ) -> Result<RateLimitAnswer, AskError> {
        let service = &limit.service;
        let slot = setting.service(&service.cluster);
        let slot = slot.ok_or_else(|| AskError::NoCluster(service.cluster.clone()))?;
        let seen = self.seen(request);
        let call = grpc::Call {
            path: rate_limit::PATH,
            authority: &service.authority,
            metadata: grpc::metadata(&service.metadata, &setting.facts(&seen)),
            timeout: service.timeout,
        };
        let domain = route.and_then(|route| route.domain.as_deref()).unwrap_or(&limit.domain);
        rate_limit::ask(&setting.connection.worker, slot, &call, domain, descriptors).await
    }

    /// What becomes of a request about which the service said something.
    fn limited(
        &mut self,
        limit: &RateLimit,
        setting: &Setting<'_>,
        answer: RateLimitAnswer,
        over: bool,
    ) -> Option<Reply> {
        if !answer.metadata.is_empty() {
            self.metadata.add(&limit.metadata_namespace, answer.metadata);
        }
        let mut edits = appended(answer.response);
        if limit.tells {
            let told = told(&answer.statuses).into_iter().flatten();
            edits.add.extend(told.map(|(name, value)| write(name, value, HeaderAppend::Append)));
        }
        if answer.over && limit.marks {
            edits.add.push(write(RATE_LIMITED, "true".to_owned(), HeaderAppend::Overwrite));
        }
        if !over {
            self.edit_answer(std::iter::once(&[edits][..]));
            let request = appended(answer.request);
            if !request.is_empty() {
                self.request_edits.push(request);
            }
            return None;
        }
        emit(setting, ErrorKind::RateLimited, "the rate limit service says that it is one too many");
        let mut reply = answered(ErrorKind::RateLimited, limit.status, answer.body);
        reply.grpc = limit.exhausted.then_some(RESOURCE_EXHAUSTED);
        if edits.add.iter().any(|write| &*write.name == "content-type") {
            reply.headers.retain(|(name, _)| name != "content-type");
        }
        if let Some(wait) = wait(&answer.statuses).filter(|_| limit.retry_after && limit.status == 429) {
            edits.add.push(write("retry-after", wait.to_string(), HeaderAppend::IfAbsent));
        }
        Some(reply.edited(&[edits, limit.response_edits()]))
    }
}

/// When the last of the limits begins anew that it is over, in seconds.
fn wait(statuses: &[LimitStatus]) -> Option<u64> {
    statuses.iter().filter(|status| status.over).map(|status| status.reset.max(1)).max()
}

/// Headers that stand beside those that are there; what is none is left out.
fn appended(headers: Vec<(String, Vec<u8>)>) -> HeaderEdits {
    let legal = |name: &str| http::HeaderName::from_bytes(name.as_bytes()).is_ok();
    let headers = headers.into_iter().filter_map(|(name, value)| {
        let value = String::from_utf8(value).ok().filter(|value| http::HeaderValue::from_str(value).is_ok())?;
        legal(&name).then(|| write(&name.to_ascii_lowercase(), value, HeaderAppend::Append))
    });
    HeaderEdits { remove: Vec::new(), add: headers.collect() }
}

fn write(name: &str, value: String, append: HeaderAppend) -> HeaderWrite {
    HeaderWrite { name: name.into(), value: HeaderText::Plain(value.into()), append }
}

fn emit(setting: &Setting<'_>, reason: ErrorKind, detail: &str) {
    let Setting { connection, callee, protocol, .. } = *setting;
    Denied { connection, callee, reason, detail, protocol, request: None, enforced: true }.emit();
}
