//! Active health checks: how a cluster's endpoints are asked whether they are well.

use std::{ops::Range, sync::atomic::AtomicBool};

use http::{HeaderMap, Method};
use leno_engine::resilience::health::HealthCheck;
use tokio::sync::watch;

/// How a cluster's endpoints are asked ([`envoy.config.core.v3.HealthCheck`]).
///
/// [`envoy.config.core.v3.HealthCheck`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/core/v3/health_check.proto
#[derive(Debug)]
pub struct HealthChecker {
    /// When they are asked, and what follows from the answers.
    pub settings: HealthCheck,
    /// What they are asked.
    pub question: Question,
    /// Whether endpoints do not count until they were asked (`ignore_new_hosts_until_first_hc`).
    pub ignores_new: bool,
    /// Whether somebody asks.
    pub(crate) started: AtomicBool,
    /// Whether every endpoint that there was at first was asked once.
    pub(crate) first: watch::Sender<bool>,
}

/// What endpoints are asked.
#[derive(Clone, Debug)]
pub enum Question {
    /// A request of HTTP.
    Http(Box<HttpQuestion>),
    /// gRPC's health service, for this service; with this authority.
    Grpc {
        /// The service; empty: the server as a whole.
        service: Box<str>,
        /// The authority.
        authority: Box<str>,
    },
    /// Whether the connection can be made, these bytes can be sent, and these come back in their order.
    Tcp {
        /// What is sent; empty: nothing.
        send: Box<[u8]>,
        /// What must come, with anything in between.
        receive: Vec<Box<[u8]>>,
    },
}

/// A request of HTTP.
#[derive(Clone, Debug)]
pub struct HttpQuestion {
    /// The method.
    pub method: Method,
    /// The host.
    pub host: Box<str>,
    /// The path.
    pub path: Box<str>,
    /// Further headers.
    pub headers: HeaderMap,
    /// Whether it is HTTP/2.
    pub http2: bool,
    /// The statuses of endpoints that are well.
    pub expected: Vec<Range<u16>>,
    /// The statuses that make an endpoint unwell only after some times.
    pub retriable: Vec<Range<u16>>,
}

impl HealthChecker {
    /// One that nobody has started.
    #[must_use]
    pub fn new(settings: HealthCheck, question: Question) -> Self {
        let (started, first) = (AtomicBool::new(false), watch::Sender::new(false));
        Self { settings, question, ignores_new: false, started, first }
    }
}
