//! How endpoints are asked whether they are well.

use std::time::Duration;

use leno_model::policy::traffic::{HealthCheck as Model, Probe};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{smi::http_route_group::Method, syntax::duration};

/// The interval, when none is given.
const INTERVAL: Duration = Duration::from_secs(10);
/// The timeout, when none is given.
const TIMEOUT: Duration = Duration::from_secs(1);

/// How sidecars ask endpoints whether they are well; exactly one of `http`, `grpc` and `tcp`. The question comes from the
/// asking pod's identity: access policies of the service must let it in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthCheck {
    /// By an HTTP request.
    pub http: Option<HttpCheck>,
    /// By gRPC's health service.
    pub grpc: Option<GrpcCheck>,
    /// By a connection.
    pub tcp: Option<TcpCheck>,
    /// How often; `10s` when not given.
    pub interval: Option<String>,
    /// How long an answer may take; `1s` when not given.
    pub timeout: Option<String>,
    /// After how many failures in a row an endpoint gets nothing more, from 1 up; `3` when not given.
    pub unhealthy_threshold: Option<u32>,
    /// After how many successes in a row it gets something again, from 1 up; `2` when not given.
    pub healthy_threshold: Option<u32>,
}

/// By an HTTP request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpCheck {
    /// The path, from `/` on.
    pub path: String,
    /// The `host` header; the service's name when not given.
    pub host: Option<String>,
    /// The method; `GET` when not given.
    pub method: Option<Method>,
    /// The statuses that are well; 200 when not given.
    #[serde(default)]
    pub expected_statuses: Vec<StatusRange>,
}

/// Statuses of HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusRange {
    /// The first, from 100 on.
    pub first: u32,
    /// The last, up to 599; the first alone when not given.
    pub last: Option<u32>,
}

/// By gRPC's health service (`grpc.health.v1.Health/Check`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GrpcCheck {
    /// The service that is asked about; the whole server when not given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub service: String,
}

/// By a connection: that one can be made, or that something comes back as well.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TcpCheck {
    /// The text that is sent; nothing when not given.
    pub send: Option<String>,
    /// The texts that must come back, in this order; none when not given.
    #[serde(default)]
    pub receive: Vec<String>,
}

impl HealthCheck {
    /// What it means; `None` without a question, which reading refuses.
    #[must_use]
    pub fn to_model(&self) -> Option<Model> {
        let time = |text: &Option<String>, usual| text.as_deref().and_then(duration::parse).unwrap_or(usual);
        Some(Model {
            probe: self.probe()?,
            interval: time(&self.interval, INTERVAL),
            timeout: time(&self.timeout, TIMEOUT),
            unhealthy_threshold: self.unhealthy_threshold.unwrap_or(3),
            healthy_threshold: self.healthy_threshold.unwrap_or(2),
        })
    }

    fn probe(&self) -> Option<Probe> {
        let http = self.http.as_ref().map(|http| Probe::Http {
            method: http.method.map_or("GET", Method::as_str).to_owned(),
            path: http.path.clone(),
            host: http.host.clone(),
            expected: http.expected_statuses.iter().filter_map(StatusRange::range).collect(),
        });
        let grpc = || self.grpc.as_ref().map(|grpc| Probe::Grpc { service: grpc.service.clone() });
        let tcp = || {
            let bytes = |text: &String| text.clone().into_bytes();
            let tcp = self.tcp.as_ref()?;
            let send = tcp.send.as_ref().map(bytes).unwrap_or_default();
            Some(Probe::Tcp { send, receive: tcp.receive.iter().map(bytes).collect() })
        };
        http.or_else(grpc).or_else(tcp)
    }
}

impl StatusRange {
    /// The statuses, the end not among them; `None` when they are none.
    #[must_use]
    pub fn range(&self) -> Option<std::ops::Range<u16>> {
        let (first, last) = (u16::try_from(self.first).ok()?, u16::try_from(self.last.unwrap_or(self.first)).ok()?);
        (first >= 100 && first <= last && last < 600).then(|| first..last + 1)
    }
}
