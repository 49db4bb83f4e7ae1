//! What is made to fail or to take long.

use leno_model::policy::traffic::{Abort as AbortModel, Delay as DelayModel, Failure, Fault as Model, Share};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    leno::text_match::HeaderMatch,
    meta::IntOrString,
    syntax::{duration, percent},
};

/// What callers' sidecars make fail or take long; at least one of `delay` and `abort`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    /// Requests that are held up.
    pub delay: Option<Delay>,
    /// Requests that are answered in the service's place.
    pub abort: Option<Abort>,
    /// Only requests that have all of these headers; any when not given.
    #[serde(default)]
    pub headers: Vec<HeaderMatch>,
    /// The most faults that go on at the same time in one sidecar; as many as come when not given.
    pub max_active: Option<u32>,
}

/// Requests that are held up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Delay {
    /// How long, e.g. `200ms`.
    pub duration: String,
    /// How many of a hundred, e.g. `5` or `"0.1"`; all of them when not given.
    pub percent: Option<IntOrString>,
}

/// Requests that are answered in the service's place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Abort {
    /// The answer's HTTP status, from 200 to 599; either this or `grpcStatus`.
    pub http_status: Option<u32>,
    /// The answer's gRPC status, from 0 to 16.
    pub grpc_status: Option<u32>,
    /// How many of a hundred, e.g. `5` or `"0.1"`; all of them when not given.
    pub percent: Option<IntOrString>,
}

impl Fault {
    /// What it means.
    #[must_use]
    pub fn to_model(&self) -> Model {
        Model {
            delay: self.delay.as_ref().and_then(|delay| {
                let duration = duration::parse(&delay.duration)?;
                Some(DelayModel { duration, share: share(delay.percent.as_ref()) })
            }),
            abort: self.abort.as_ref().and_then(|abort| {
                let http = abort.http_status.and_then(|status| u16::try_from(status).ok()).map(Failure::Http);
                let failure = http.or_else(|| abort.grpc_status.map(Failure::Grpc))?;
                Some(AbortModel { failure, share: share(abort.percent.as_ref()) })
            }),
            headers: self.headers.iter().map(HeaderMatch::to_model).collect(),
            max_active: self.max_active,
        }
    }
}

fn share(given: Option<&IntOrString>) -> Share {
    given.and_then(percent::parse).map_or(Share::ALL, Share)
}
