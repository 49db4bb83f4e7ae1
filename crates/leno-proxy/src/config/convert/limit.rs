//! What holds where a message says nothing, for the reference.

use leno_engine::resilience::{Backoff, MAX_SAFE_RESENDS};

use super::{
    super::{
        breaker::{RetryLimit, Thresholds},
        tcp::IDLE_TIMEOUT,
    },
    action, cluster, listener,
};
use crate::limit::{Limit, count, time};

/// The bounds.
pub(crate) fn limits() -> Vec<Limit> {
    let thresholds = Thresholds::default();
    let backoff = Backoff::default();
    vec![
        time("answer to a request", action::TIMEOUT, "`route.timeout`", "504 `UT upstream_timeout`"),
        count(
            "resends of what cannot have been processed",
            MAX_SAFE_RESENDS.into(),
            "",
            "the caller gets the last failure",
        ),
        time("longest wait before the first retry of a policy", backoff.base, "`retry_back_off.base_interval`", ""),
        time("longest wait before later ones", backoff.max, "`retry_back_off.max_interval`", ""),
        time(
            "connection to an endpoint, TLS included",
            cluster::CONNECT_TIMEOUT,
            "`connect_timeout`",
            "another endpoint is tried",
        ),
        count(
            "connections in use to a cluster",
            thresholds.max_connections.into(),
            "`circuit_breakers.thresholds.max_connections`",
            "HTTP/1 requests wait; connections of bytes are closed",
        ),
        count(
            "HTTP/1 requests that wait for one of those",
            thresholds.max_pending_requests.into(),
            "`circuit_breakers.thresholds.max_pending_requests`",
            "503 `UO upstream_overflow`",
        ),
        count(
            "requests under way to a cluster",
            thresholds.max_requests.into(),
            "`circuit_breakers.thresholds.max_requests`",
            "503 `UO upstream_overflow`",
        ),
        count(
            "requests that retry policies send again to a cluster at the same time",
            match thresholds.retries {
                RetryLimit::Count(count) => count.into(),
                RetryLimit::Budget { at_least, .. } => at_least.into(),
            },
            "`circuit_breakers.thresholds.max_retries` or `retry_budget`",
            "not sent again",
        ),
        time("connection of bytes on which nothing moves", IDLE_TIMEOUT, "`tcp_proxy.idle_timeout`", "closed: `SI`"),
        time(
            "first bytes, where the protocol has to be found out",
            listener::LISTENER_FILTERS_TIMEOUT,
            "`listener_filters_timeout`",
            "taken for bytes, or closed",
        ),
    ]
}
