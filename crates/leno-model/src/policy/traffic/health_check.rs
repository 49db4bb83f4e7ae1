//! How endpoints are asked whether they are well ([health check]).
//!
//! [health check]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/core/v3/health_check.proto

use std::{ops::Range, time::Duration};

/// How endpoints are asked whether they are well, by each sidecar that uses the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// The question.
    pub probe: Probe,
    /// How often.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// After how many failures in a row an endpoint is unhealthy.
    pub unhealthy_threshold: u32,
    /// After how many successes in a row it is healthy again.
    pub healthy_threshold: u32,
}

/// The question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// An HTTP request.
    Http {
        /// `GET` and the like.
        method: String,
        /// From `/` on.
        path: String,
        /// The `host` header; the service's name when `None`.
        host: Option<String>,
        /// Statuses that are well; 200 when empty.
        expected: Vec<Range<u16>>,
    },
    /// `grpc.health.v1.Health/Check`.
    Grpc {
        /// The service that is asked about; the whole server when empty.
        service: String,
    },
    /// A connection.
    Tcp {
        /// What is sent; nothing when empty.
        send: Vec<u8>,
        /// What must come back somewhere in the answer, in this order.
        receive: Vec<Vec<u8>>,
    },
}
