//! Which requests are sent again.

use leno_model::policy::traffic::{Condition as ConditionModel, Retries as Model, RetryLimit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::syntax::duration;

/// Which requests are sent again; at least one of `on` and `statusCodes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retries {
    /// How often one request at most, besides the first time; 0 switches retries off; `1` when not given.
    pub attempts: Option<u32>,
    /// After what.
    #[serde(default)]
    pub on: Vec<Condition>,
    /// After answers with these statuses, from 100 to 599.
    #[serde(default)]
    pub status_codes: Vec<u32>,
    /// How long one try may take; as long as the whole request when not given.
    pub per_try_timeout: Option<String>,
    /// The waits between tries.
    pub backoff: Option<Backoff>,
    /// How many requests of one sidecar may be retried at the same time; either this or `budget`.
    pub max_parallel: Option<u32>,
    /// The same as a share of the requests under way; 20 in a hundred and at least 3 when neither is given.
    pub budget: Option<Budget>,
}

/// The waits between tries: by lot, up to the base before the first, up to twice as long before each next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Backoff {
    /// The longest wait before the first retry, above zero; `25ms` when not given.
    pub base: Option<String>,
    /// The longest wait of all, not below the base; ten times the base when not given.
    pub max: Option<String>,
}

/// How many retries may be under way at the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Budget {
    /// In a hundred of the requests under way; `20` when not given.
    pub percent: Option<u32>,
    /// So many in any case; `3` when not given.
    pub min_concurrency: Option<u32>,
}

/// After what a request is sent again, in the words of [Envoy's `retry_on`].
///
/// [Envoy's `retry_on`]: https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter#x-envoy-retry-on
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Condition {
    /// Any 5xx, or no answer at all.
    #[serde(rename = "5xx")]
    ServerError,
    /// 502, 503 or 504, or no answer at all.
    #[serde(rename = "gateway-error")]
    GatewayError,
    /// No connection could be made.
    #[serde(rename = "connect-failure")]
    ConnectFailure,
    /// The connection ended before the answer came.
    #[serde(rename = "reset")]
    Reset,
    /// Nothing of the request can have been processed.
    #[serde(rename = "reset-before-request")]
    ResetBeforeRequest,
    /// The endpoint refused the stream (HTTP/2).
    #[serde(rename = "refused-stream")]
    RefusedStream,
    /// 409.
    #[serde(rename = "retriable-4xx")]
    Conflict,
    /// gRPC `CANCELLED`.
    #[serde(rename = "cancelled")]
    GrpcCancelled,
    /// gRPC `DEADLINE_EXCEEDED`.
    #[serde(rename = "deadline-exceeded")]
    GrpcDeadlineExceeded,
    /// gRPC `INTERNAL`.
    #[serde(rename = "internal")]
    GrpcInternal,
    /// gRPC `RESOURCE_EXHAUSTED`.
    #[serde(rename = "resource-exhausted")]
    GrpcResourceExhausted,
    /// gRPC `UNAVAILABLE`.
    #[serde(rename = "unavailable")]
    GrpcUnavailable,
}

impl Condition {
    fn to_model(self) -> ConditionModel {
        match self {
            Self::ServerError => ConditionModel::ServerError,
            Self::GatewayError => ConditionModel::GatewayError,
            Self::ConnectFailure => ConditionModel::ConnectFailure,
            Self::Reset => ConditionModel::Reset,
            Self::ResetBeforeRequest => ConditionModel::ResetBeforeRequest,
            Self::RefusedStream => ConditionModel::RefusedStream,
            Self::Conflict => ConditionModel::Conflict,
            Self::GrpcCancelled => ConditionModel::GrpcCancelled,
            Self::GrpcDeadlineExceeded => ConditionModel::GrpcDeadlineExceeded,
            Self::GrpcInternal => ConditionModel::GrpcInternal,
            Self::GrpcResourceExhausted => ConditionModel::GrpcResourceExhausted,
            Self::GrpcUnavailable => ConditionModel::GrpcUnavailable,
        }
    }
}

impl Retries {
    /// What they mean.
    #[must_use]
    pub fn to_model(&self) -> Model {
        let time = |text: Option<&String>| text.and_then(|text| duration::parse(text));
        let backoff = self.backoff.as_ref();
        let budget = self.budget.map_or((20, 3), |it| (it.percent.unwrap_or(20), it.min_concurrency.unwrap_or(3)));
        Model {
            attempts: self.attempts.unwrap_or(1),
            on: self.on.iter().map(|condition| condition.to_model()).collect(),
            statuses: self.status_codes.iter().filter_map(|status| u16::try_from(*status).ok()).collect(),
            per_try_timeout: time(self.per_try_timeout.as_ref()),
            backoff_base: time(backoff.and_then(|it| it.base.as_ref())),
            backoff_max: time(backoff.and_then(|it| it.max.as_ref())),
            limit: match self.max_parallel {
                Some(count) => RetryLimit::Count(count),
                None => RetryLimit::Budget { percent: budget.0, at_least: budget.1 },
            },
        }
    }
}
