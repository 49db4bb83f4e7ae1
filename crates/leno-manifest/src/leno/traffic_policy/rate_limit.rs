//! How much an instance takes in a time.

use std::{collections::BTreeMap, time::Duration};

use leno_model::policy::traffic::{
    HttpLimit as HttpModel, HttpRate as RateModel, RateLimit as Model, RateRoute as RouteModel, TcpLimit as TcpModel,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::global_rate_limit::CountBy;
use crate::{leno::text_match::RequestMatch, syntax::duration};

/// How much each instance takes in a time, counted at its own sidecar; at least one of `http` and `tcp`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocalRateLimit {
    /// HTTP requests.
    pub http: Option<HttpRateLimit>,
    /// Connections of bytes; the others are closed.
    pub tcp: Option<TcpRateLimit>,
}

/// How many HTTP requests; at least one of `requests` and `routes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpRateLimit {
    /// So many, of those that fit none of `routes`, from 1 up; as many as come when not given.
    pub requests: Option<u32>,
    /// What is counted apart, all of it together, so that each has `requests` of its own; requests without it count together.
    /// Of more than 10000 at the same time the one that was seen longest ago is forgotten.
    #[serde(default)]
    pub by: Vec<CountBy>,
    /// In this time, from `50ms` up; `1s` when not given.
    pub per: Option<String>,
    /// So many more at once where earlier ones stayed away; none when not given.
    pub burst: Option<u32>,
    /// What the others are answered, from 400 to 599; `429` when not given.
    pub response_status: Option<u32>,
    /// Headers of that answer.
    #[serde(default)]
    pub response_headers: BTreeMap<String, String>,
    /// Limits of some requests; the first that fits counts.
    #[serde(default)]
    pub routes: Vec<RateLimitRoute>,
}

/// Some requests, and how many of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RateLimitRoute {
    /// Which.
    #[serde(rename = "match")]
    pub fits: RequestMatch,
    /// So many, from 1 up.
    pub requests: u32,
    /// What is counted apart, all of it together, so that each has `requests` of its own; requests without it count together.
    #[serde(default)]
    pub by: Vec<CountBy>,
    /// In this time, from `50ms` up; `1s` when not given.
    pub per: Option<String>,
    /// So many more at once where earlier ones stayed away; none when not given.
    pub burst: Option<u32>,
    /// What the others are answered, from 400 to 599; `429` when not given.
    pub response_status: Option<u32>,
    /// Headers of that answer.
    #[serde(default)]
    pub response_headers: BTreeMap<String, String>,
}

/// How many connections of bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TcpRateLimit {
    /// So many, from 1 up.
    pub connections: u32,
    /// In this time, from `50ms` up; `1s` when not given.
    pub per: Option<String>,
    /// So many more at once where earlier ones stayed away; none when not given.
    pub burst: Option<u32>,
}

impl LocalRateLimit {
    /// What it means.
    #[must_use]
    pub fn to_model(&self) -> Model {
        Model {
            http: self.http.as_ref().map(HttpRateLimit::to_model),
            tcp: self.tcp.as_ref().map(TcpRateLimit::to_model),
        }
    }
}

impl HttpRateLimit {
    fn to_model(&self) -> HttpModel {
        let rate = self.requests.map(|requests| RateModel {
            by: self.by.iter().filter_map(CountBy::to_model).collect(),
            requests,
            per: per(self.per.as_ref()),
            burst: self.burst.unwrap_or(0),
            status: status(self.response_status),
            headers: self.response_headers.clone().into_iter().collect(),
        });
        HttpModel { rate, routes: self.routes.iter().map(RateLimitRoute::to_model).collect() }
    }
}

impl RateLimitRoute {
    fn to_model(&self) -> RouteModel {
        let rate = RateModel {
            by: self.by.iter().filter_map(CountBy::to_model).collect(),
            requests: self.requests,
            per: per(self.per.as_ref()),
            burst: self.burst.unwrap_or(0),
            status: status(self.response_status),
            headers: self.response_headers.clone().into_iter().collect(),
        };
        RouteModel { fits: self.fits.to_model(), rate }
    }
}

impl TcpRateLimit {
    fn to_model(&self) -> TcpModel {
        TcpModel { connections: self.connections, per: per(self.per.as_ref()), burst: self.burst.unwrap_or(0) }
    }
}

fn per(text: Option<&String>) -> Duration {
    text.and_then(|text| duration::parse(text)).unwrap_or(Duration::from_secs(1))
}

fn status(given: Option<u32>) -> u16 {
    given.and_then(|status| u16::try_from(status).ok()).unwrap_or(429)
}
