//! A request's end: counted, and logged when the connection manager says so.

use std::{sync::Arc, time::Instant};

use leno_engine::request::RequestHead;

use super::header::{Ids, REQUEST_ID, TRACEPARENT};
use crate::{
    config::HttpConnectionManager,
    connection::{Callee, Connection},
    telemetry::event::{Protocol, RequestFinished, RequestLog},
};

/// What became of a request.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) callee: Callee,
    pub(super) protocol: Protocol,
    pub(super) started: Instant,
    pub(super) status: u16,
    pub(super) flags: &'static str,
    pub(super) detail: String,
    pub(super) request_bytes: u64,
    pub(super) response_bytes: u64,
    pub(super) retries: u32,
    /// Whether it was delayed on purpose.
    pub(super) delayed: bool,
    pub(super) route: Arc<str>,
    pub(super) cluster: Option<Arc<str>>,
    /// The headers that the proxy set because they were missing.
    pub(super) ids: Ids,
}

impl Outcome {
    /// Of a request that has just begun.
    pub(super) fn new(callee: Callee, protocol: Protocol, started: Instant) -> Self {
        Self {
            callee,
            protocol,
            started,
            status: 0,
            flags: "-",
            detail: String::new(),
            request_bytes: 0,
            response_bytes: 0,
            retries: 0,
            delayed: false,
            route: Arc::default(),
            cluster: None,
            ids: Ids::default(),
        }
    }

    /// The response flags, with that of a delay where there is nothing more to say than that.
    pub(super) fn flags(&self) -> &'static str {
        match (self.delayed, self.flags) {
            (true, "-") => "DI",
            (true, "FI") => "DI,FI",
            (_, flags) => flags,
        }
    }

    /// Counts and logs it.
    pub(super) fn emit<R: RequestHead>(&self, connection: &Connection, manager: &HttpConnectionManager, request: &R) {
        let (user_agent, id, trace) = if manager.access_log {
            (request.header("user-agent"), request.header(REQUEST_ID), request.header(TRACEPARENT))
        } else {
            (None, None, None)
        };
        let id = self.ids.request.as_ref().map_or(id.unwrap_or_default(), |id| id.as_str().as_bytes());
        let trace = self.ids.trace.as_ref().map_or(trace.unwrap_or_default(), |trace| trace.as_str().as_bytes());
        let log = manager.access_log.then(|| RequestLog {
            method: request.method(),
            authority: request.authority().as_bytes(),
            path: request.target().as_bytes(),
            request_id: id,
            user_agent: user_agent.unwrap_or_default(),
            traceparent: trace,
            route: &self.route,
            cluster: self.cluster.as_deref().unwrap_or_default(),
        });
        RequestFinished {
            connection,
            callee: &self.callee,
            protocol: self.protocol,
            status: self.status,
            flags: self.flags(),
            detail: &self.detail,
            duration: self.started.elapsed(),
            request_bytes: self.request_bytes,
            response_bytes: self.response_bytes,
            retries: self.retries,
            log,
        }
        .emit();
    }
}
