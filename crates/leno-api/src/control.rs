//! The control plane's own API, on its port 15080.
//!
//! | request | answer |
//! |---|---|
//! | `GET /api/proxies` | a list of [`ProxyStatus`], sorted by namespace and pod |
//! | `GET /api/config/{namespace}/{pod}` | [`ProxyConfig`], what that proxy has been told, or 404 |
//! | `GET /api/objects/status` | the status of every object: `version`, `invalid`, `notes`, `ignored`, `objects` |
//! | `GET /api/mesh` | [`MeshSummary`] |
//!
//! Errors are a [`Problem`]. Times are seconds since 1970, versions count the changes of the mesh.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Why, in one line.
    pub message: String,
}

/// One proxy: a meshed workload with what its sidecar has been told, or another client of the discovery service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProxyStatus {
    /// Its namespace.
    pub namespace: String,
    /// Its pod.
    pub pod: String,
    /// What made the pod (Deployment…).
    pub workload: String,
    /// The service account that the pod runs as; empty when the mesh does not know the pod.
    pub service_account: String,
    /// What it is: `leno-proxy`, `envoy`, or what else it says.
    pub agent: String,
    /// Whether it has a discovery stream now.
    pub connected: bool,
    /// Since when, if it has.
    pub connected_since: Option<f64>,
    /// Which protocol its stream speaks: `delta` or `sotw`; empty without one.
    pub protocol: String,
    /// Whether it has not been told, or has not taken into use, all that holds for it now. Also true without a stream.
    pub stale: bool,
    /// Whether it refused the last it was told of some type; it keeps what it had.
    pub refusing: bool,
    /// When its certificate ends, as far as this control plane issued it.
    pub certificate_expires: Option<f64>,
    /// The types it subscribes to.
    pub types: Vec<TypeStatus>,
}

/// One type of resource of a proxy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TypeStatus {
    /// `secret`, `cluster`, `endpoint`, `listener` or `route`.
    #[serde(rename = "type")]
    pub resource_type: String,
    /// How many names it subscribes to.
    pub names: usize,
    /// Whether it asks for all there are.
    pub wildcard: bool,
    /// Whether an answer is on its way, or will be.
    pub pending: bool,
    /// The version of the mesh that was last sent.
    pub version_sent: Option<String>,
    /// When.
    pub sent_at: Option<f64>,
    /// The version of the mesh that was last taken into use.
    pub version_acknowledged: Option<String>,
    /// When.
    pub acknowledged_at: Option<f64>,
    /// Why the last answer was refused, if it was.
    pub error: Option<Refusal>,
}

/// A refused answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Refusal {
    /// The version of the mesh that was refused.
    pub version: String,
    /// Why, in the proxy's words.
    pub message: String,
    /// When.
    pub at: f64,
}

/// What a proxy has been told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProxyConfig {
    /// Its namespace.
    pub namespace: String,
    /// Its pod.
    pub pod: String,
    /// The resources, by type in the order of sending, then by name.
    pub resources: Vec<ConfigResource>,
}

/// One resource that a proxy has been told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConfigResource {
    /// `secret`, `cluster`, `endpoint`, `listener` or `route`.
    #[serde(rename = "type")]
    pub resource_type: String,
    /// Its name.
    pub name: String,
    /// Its version, a fingerprint of its contents.
    pub version: String,
    /// The message in the protobuf JSON mapping; null when the proxy had this version before this control plane started
    /// and the mesh has another one by now.
    pub resource: Value,
}

/// The mesh in numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MeshSummary {
    /// The version of `leno-control`.
    pub control_version: String,
    /// How many changes of the mesh there were.
    pub version: u64,
    /// The trust domain of every identity.
    pub trust_domain: String,
    /// How many services there are.
    pub services: usize,
    /// How many workloads there are.
    pub workloads: usize,
    /// How many of them have a sidecar.
    pub meshed: usize,
    /// How many discovery streams are open.
    pub streams: usize,
    /// How many things are wrong with the objects.
    pub invalid: usize,
}
