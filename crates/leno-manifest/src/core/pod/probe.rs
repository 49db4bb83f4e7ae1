//! How a container's state is found out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::meta::IntOrString;

/// One way to find out a container's state ([Probe]); exactly one of the first four fields is given.
///
/// [Probe]: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#Probe
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    /// A request that must be answered with a status of 200 to 399.
    pub http_get: Option<HttpGetAction>,
    /// A connection that must be accepted.
    pub tcp_socket: Option<TcpSocketAction>,
    /// A command that must end with 0.
    pub exec: Option<ExecAction>,
    /// A gRPC health check that must say `SERVING`.
    pub grpc: Option<GrpcAction>,
    /// Seconds before the first try; 0 when not given.
    pub initial_delay_seconds: Option<u32>,
    /// Seconds that a try may take; 1 when not given.
    pub timeout_seconds: Option<u32>,
    /// Seconds between tries; 10 when not given.
    pub period_seconds: Option<u32>,
    /// Good tries in a row that make it good; 1 when not given.
    pub success_threshold: Option<u32>,
    /// Bad tries in a row that make it bad; 3 when not given.
    pub failure_threshold: Option<u32>,
    /// Seconds between the request to end and the kill after a failed liveness or startup probe.
    pub termination_grace_period_seconds: Option<u32>,
}

/// A request over HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpGetAction {
    /// The path and query; `/` when not given.
    pub path: Option<String>,
    /// The container's port, by number or name.
    pub port: IntOrString,
    /// The address; the pod's when not given.
    pub host: Option<String>,
    /// `HTTP` or `HTTPS` (whose certificate is not verified); `HTTP` when not given.
    #[serde(default)]
    pub scheme: HttpScheme,
    /// Headers to send.
    #[serde(default)]
    pub http_headers: Vec<HttpHeader>,
}

/// Whether a probe speaks TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HttpScheme {
    /// Plaintext.
    #[default]
    #[serde(rename = "HTTP")]
    Http,
    /// TLS, with any certificate.
    #[serde(rename = "HTTPS")]
    Https,
}

/// A header that a probe sends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpHeader {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A connection over TCP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TcpSocketAction {
    /// The container's port, by number or name.
    pub port: IntOrString,
    /// The address; the pod's when not given.
    pub host: Option<String>,
}

/// A command, run beside the container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExecAction {
    /// The program and its arguments; no shell.
    pub command: Vec<String>,
}

/// A check by gRPC's health protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GrpcAction {
    /// The container's port.
    #[schemars(range(min = 1))]
    pub port: u16,
    /// The service asked for; empty for the whole server.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub service: String,
}
