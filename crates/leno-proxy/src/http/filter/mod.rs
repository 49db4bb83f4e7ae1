//! The filters of a connection manager, applied to one request. What they decide is `leno_engine::filter`'s; here it is
//! counted, logged, waited for, and turned into changes and answers.

mod access_control;
mod edited;
mod fault;
mod rate_limit;

use std::{borrow::Cow, num::NonZeroU32};

use leno_engine::{
    filter::{ActiveFault, CorsPolicy, FilterConfig, HeaderMutation, HttpFilter, Levels, Preflight},
    request::RequestHead,
    route::{Facts, HeaderEdits},
};

use self::edited::Edited;
use super::{judged::Judged, reply::Reply};
use crate::{
    config::HttpConnectionManager,
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
    /// What its route says for filters.
    pub(super) levels: Levels<'a>,
    /// The cluster that it goes to, if it goes on.
    pub(super) cluster: Option<&'a str>,
    /// Its route's name; empty without one.
    pub(super) route: &'a str,
}

impl Setting<'_> {
    /// What is known of a request, to fill in.
    pub(super) fn facts<'b, R>(&'b self, request: &'b R) -> Facts<'b, R> {
        Facts {
            request,
            source: self.connection.peer,
            destination: self.connection.original_destination,
            identity: if self.connection.mtls { &self.connection.source.identity } else { "" },
            server_name: &self.connection.server_name,
            protocol: match self.protocol {
                Protocol::Http2 | Protocol::Grpc => "HTTP/2",
                Protocol::Http1 | Protocol::Tcp => "HTTP/1.1",
            },
            route: self.route,
            cluster: self.cluster.unwrap_or_default(),
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
    /// How many bytes its body may have.
    pub(super) max_request_bytes: Option<NonZeroU32>,
    /// The fault that goes on until its end.
    pub(super) fault: Option<ActiveFault>,
    /// Whether it was delayed on purpose.
    pub(super) delayed: bool,
    /// Whether the answer of a filter is not changed by the route.
    pub(super) final_answer: bool,
}

impl Filtered {
    /// Applies all filters; the answer, when one of them has it.
    pub(super) async fn apply<R: RequestHead>(
        &mut self,
        setting: &Setting<'_>,
        request: &Judged<'_, R>,
    ) -> Option<Reply> {
        let mut filters = setting.manager.filters.iter();
        while let Some(filter) = filters.next() {
            let Some(reply) = self.pass(filter, setting, request).await else { continue };
            // An answer goes the way of all answers: the filters that the request did not get to change it, too.
            for later in filters {
                if let Some(FilterConfig::HeaderMutation(_)) = later.config(&setting.levels) {
                    let bound = self.answer_edits(later, setting, request);
                    self.response_edits.splice(0..0, bound);
                }
            }
            return Some(Reply { delayed: self.delayed, ..reply });
        }
        None
    }

    /// Applies one filter.
    async fn pass<R: RequestHead>(
        &mut self,
        filter: &HttpFilter,
        setting: &Setting<'_>,
        request: &Judged<'_, R>,
    ) -> Option<Reply> {
        match filter.config(&setting.levels)? {
            FilterConfig::AccessControl(control) => {
                access_control::refused(setting, control, &Edited::new(request, &self.request_edits))
            }
            FilterConfig::Buffer(bytes) => {
                self.max_request_bytes = Some(*bytes);
                None
            }
            FilterConfig::Cors(_) => self.cors(filter, setting, &Edited::new(request, &self.request_edits.clone())),
            FilterConfig::Fault(fault) => self.fault(fault, setting, request).await,
            FilterConfig::HeaderMutation(_) => {
                // Each change sees those before it.
                for edits in mutations(filter, &setting.levels).flat_map(|mutation| &mutation.request) {
                    let bound = edits.bind(&setting.facts(&Edited::new(request, &self.request_edits)));
                    self.request_edits.push(bound);
                }
                let bound = self.answer_edits(filter, setting, request);
                self.response_edits.splice(0..0, bound);
                None
            }
            FilterConfig::LocalRateLimit(limit) => self.rate_limit(limit, setting),
        }
    }

    /// What a filter for headers changes in the answer.
    fn answer_edits<R: RequestHead>(
        &self,
        filter: &HttpFilter,
        setting: &Setting<'_>,
        request: &Judged<'_, R>,
    ) -> Vec<HeaderEdits> {
        let request = Edited::new(request, &self.request_edits);
        let facts = setting.facts(&request);
        let edits = mutations(filter, &setting.levels).flat_map(|mutation| &mutation.response);
        edits.map(|edits| edits.bind(&facts)).collect()
    }

    /// Lets pages of other origins ask; the answer, when they ask whether they may.
    fn cors<R: RequestHead>(&mut self, filter: &HttpFilter, setting: &Setting<'_>, request: &R) -> Option<Reply> {
        // Where nothing goes on, nothing is said about it.
        setting.cluster?;
        let policies = filter.configs(&setting.levels).filter_map(|config| match config {
            FilterConfig::Cors(policy) => policy.as_deref(),
            _ => None,
        });
        let policies: Vec<_> = policies.collect();
        match CorsPolicy::check(&policies, request, &mut rand::rng())? {
            Preflight::Forward(edits) => {
                self.edit_answer(std::iter::once(&[edits][..]));
                None
            }
            Preflight::Answer(headers) => {
                self.final_answer = true;
                let headers = headers.into_iter().map(|(name, value)| (Cow::Borrowed(name), value)).collect();
                Some(Reply { headers, ..Reply::direct(200, String::new()) })
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
fn answered(kind: ErrorKind, status: u16, body: String) -> Reply {
    Reply { status, body, ..Reply::from(kind) }
}
