//! The filters of a connection manager, applied to one request. What they decide is `leno_engine::filter`'s; here it is
//! counted, logged, waited for, and turned into changes and answers.

pub(super) mod access_control;
mod authorize;
pub(super) mod edited;
mod fault;
mod jwt;
mod rate_limit;
mod rate_limit_service;

use std::{borrow::Cow, net::SocketAddr, num::NonZeroU32, sync::Arc};

use bytes::Bytes;
use leno_engine::{
    filter::{
        ActiveFault, CorsPolicy, FilterConfig, HeaderMutation, HttpFilter, Levels, Overrides, Preflight, Session,
    },
    metadata::Metadata,
    request::RequestHead,
    route::{Facts, HeaderEdits},
};

use self::edited::Edited;
use super::{held::Incoming, judged::Judged, reply::Reply, selected::Selected};
use crate::{
    clock,
    config::{Cluster, HttpConnectionManager, Routes, Slot},
    connection::{Callee, Connection},
    error::ErrorKind,
    telemetry::event::Protocol,
};

/// Whose request it is, and where it goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting<'a> {
    pub(super) connection: &'a Connection,
    pub(super) manager: &'a HttpConnectionManager,
    pub(super) callee: &'a Callee,
    pub(super) protocol: Protocol,
    /// Who called, as far as proxies before this one are believed.
    pub(super) remote: SocketAddr,
    /// The routes, if they are known.
    pub(super) routes: Option<&'a Routes>,
    /// The route that was chosen, if one fits. A filter may have it chosen anew.
    pub(super) selected: Option<Selected<'a>>,
}

impl<'a> Setting<'a> {
    /// What its route says for filters.
    pub(super) fn levels(&self) -> Levels<'a> {
        self.selected.map_or([Overrides::NONE; 4], |selected| selected.for_filters())
    }

    /// The cluster that it goes to, if it goes on.
    pub(super) fn cluster(&self) -> Option<&'a str> {
        self.selected.and_then(|selected| selected.cluster).map(|(name, _)| name)
    }

    /// The cluster of a service that a filter asks.
    fn service(&self, name: &str) -> Option<&'a Arc<Slot<Cluster>>> {
        self.manager.services.get(name).or_else(|| self.routes?.clusters.get(name))
    }

    /// What is known of a request, to fill in.
    pub(super) fn facts<'b, R>(&'b self, request: &'b R) -> Facts<'b, R> {
        Facts {
            request,
            source: self.remote,
            destination: self.connection.original_destination,
            identity: self.connection.names().first().map_or("", |name| name),
            server_name: &self.connection.server_name,
            protocol: self.protocol.spoken(),
            route: self.selected.map_or("", |selected| &*selected.route.name),
            cluster: self.cluster().unwrap_or_default(),
        }
    }
}

/// What filters did to a request.
#[derive(Debug, Default)]
pub(super) struct Filtered {
    /// Changes to its headers, in their order.
    pub(super) request_edits: Vec<HeaderEdits>,
    /// Changes to the answer's headers, in their order.
    pub(super) response_edits: Vec<HeaderEdits>,
    /// Its new target, if it has one.
    pub(super) target: Option<String>,
    /// Its new host, if it has one.
    pub(super) host: Option<String>,
    /// What filters found out about it.
    pub(super) metadata: Metadata,
    /// How many bytes its body may have.
    pub(super) max_request_bytes: Option<NonZeroU32>,
    /// The session that it is of.
    pub(super) session: Option<Session>,
    /// The fault that goes on until its end.
    pub(super) fault: Option<ActiveFault>,
    /// Whether it was delayed on purpose.
    pub(super) delayed: bool,
    /// Whether the answer of a filter is not changed by the route.
    pub(super) final_answer: bool,
    /// Whether the route is to be chosen anew.
    reroutes: bool,
}

impl Filtered {
    /// The request as the filters before have left it.
    pub(super) fn seen<'b, R: RequestHead>(&'b self, request: &'b R) -> Edited<'b, R> {
        Edited::new(request, self)
    }

    /// Whether the last filter wants the route to be chosen anew; that is then seen to.
    pub(super) fn reroutes(&mut self) -> bool {
        std::mem::take(&mut self.reroutes)
    }

    /// Applies all filters; the answer, when one of them has it.
    pub(super) async fn apply<R: RequestHead, B: Incoming>(
        &mut self,
        setting: &mut Setting<'_>,
        request: &Judged<'_, R>,
        body: &mut B,
    ) -> Option<Reply> {
        let mut filters = setting.manager.filters.iter();
        while let Some(filter) = filters.next() {
            let passed = self.pass(filter, setting, request, body).await;
            if self.reroutes() {
                setting.selected = setting.routes.and_then(|routes| Selected::of(routes, &self.seen(request)));
            }
            let Some(reply) = passed else { continue };
            // An answer goes the way of all answers: the filters that the request did not get to change it, too.
            for later in filters {
                if let Some(FilterConfig::HeaderMutation(_)) = later.config(&setting.levels()) {
                    let bound = self.answer_edits(later, setting, request);
                    self.response_edits.splice(0..0, bound);
                }
            }
            return Some(Reply { delayed: self.delayed, ..reply });
        }
        None
    }

    /// Applies one filter.
    pub(super) async fn pass<R: RequestHead, B: Incoming>(
        &mut self,
        filter: &HttpFilter,
        setting: &Setting<'_>,
        request: &Judged<'_, R>,
        body: &mut B,
    ) -> Option<Reply> {
        let levels = setting.levels();
        match filter.config(&levels)? {
            FilterConfig::AccessControl(control) => {
                self.try_out(setting, control, request);
                access_control::refused(setting, control, &self.seen(request), &self.metadata)
            }
            FilterConfig::Buffer(bytes) => {
                self.max_request_bytes = Some(*bytes);
                None
            }
            FilterConfig::Cors(_) => self.cors(filter, setting, request),
            FilterConfig::ExtAuthz(_) | FilterConfig::ExtAuthzRoute(_) => {
                // Boxed: its state is large, and most requests do without.
                Box::pin(self.authorize(filter, setting, request, body)).await
            }
            FilterConfig::Fault(fault) => self.fault(fault, setting, request).await,
            FilterConfig::HeaderMutation(_) => {
                // Each change sees those before it.
                for edits in mutations(filter, &levels).flat_map(|mutation| &mutation.request) {
                    let bound = edits.bind(&setting.facts(&self.seen(request)));
                    self.request_edits.push(bound);
                }
                let bound = self.answer_edits(filter, setting, request);
                self.response_edits.splice(0..0, bound);
                None
            }
            FilterConfig::JwtAuthn(_) | FilterConfig::JwtRequirement(_) => {
                Box::pin(self.authenticate(filter, setting, request)).await
            }
            FilterConfig::LocalRateLimit(limit) => self.rate_limit(limit, setting, request),
            FilterConfig::RateLimit(_) | FilterConfig::RateLimitRoute(_) => {
                Box::pin(self.rate_limit_service(filter, setting, request)).await
            }
            FilterConfig::StatefulSession(sessions) => {
                self.session = sessions.as_ref().and_then(|sessions| sessions.of(&self.seen(request), clock::epoch()));
                None
            }
        }
    }

    /// What a filter for headers changes in the answer.
    fn answer_edits<R: RequestHead>(
        &self,
        filter: &HttpFilter,
        setting: &Setting<'_>,
        request: &Judged<'_, R>,
    ) -> Vec<HeaderEdits> {
        let request = self.seen(request);
        let facts = setting.facts(&request);
        let levels = setting.levels();
        let edits = mutations(filter, &levels).flat_map(|mutation| &mutation.response);
        edits.map(|edits| edits.bind(&facts)).collect()
    }

    /// Lets pages of other origins ask; the answer, when they ask whether they may.
    fn cors<R: RequestHead>(
        &mut self,
        filter: &HttpFilter,
        setting: &Setting<'_>,
        request: &Judged<'_, R>,
    ) -> Option<Reply> {
        // Where nothing goes on, nothing is said about it.
        setting.cluster()?;
        let levels = setting.levels();
        let policies = filter.configs(&levels).filter_map(|config| match config {
            FilterConfig::Cors(policy) => policy.as_deref(),
            _ => None,
        });
        let policies: Vec<_> = policies.collect();
        match CorsPolicy::check(&policies, &self.seen(request), &mut rand::rng())? {
            Preflight::Forward(edits) => {
                self.edit_answer(std::iter::once(&[edits][..]));
                None
            }
            Preflight::Answer(headers) => {
                self.final_answer = true;
                let headers = headers.into_iter().map(|(name, value)| (Cow::Borrowed(name), value)).collect();
                Some(Reply { headers, rewordable: false, ..Reply::direct(200, String::new()) })
            }
        }
    }

    /// Changes to the answer by one filter: they come before those of the filters before it.
    fn edit_answer<'a>(&mut self, edits: impl Iterator<Item = &'a [HeaderEdits]>) {
        let edits: Vec<_> = edits.flatten().cloned().collect();
        self.response_edits.splice(0..0, edits);
    }
}

/// What a filter for headers does at each place that says something: the widest last, unless the closest is to win.
fn mutations<'a>(filter: &'a HttpFilter, levels: &Levels<'a>) -> impl Iterator<Item = &'a HeaderMutation> {
    let closest_wins = matches!(&filter.config, FilterConfig::HeaderMutation(own) if own.closest_wins);
    let all = filter.configs(levels).filter_map(|config| match config {
        FilterConfig::HeaderMutation(mutation) => Some(&**mutation),
        _ => None,
    });
    let mut all: Vec<_> = all.collect();
    // The connection manager's own come first in any case.
    let own = all.pop();
    if closest_wins {
        all.reverse();
    }
    own.into_iter().chain(all)
}

/// Why a filter answered itself, for telemetry.
fn answered(kind: ErrorKind, status: u16, body: impl Into<Bytes>) -> Reply {
    Reply { status, body: body.into(), ..Reply::from(kind) }
}
