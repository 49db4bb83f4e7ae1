//! `specs.smi-spec.io` TCPRoute ([v1alpha4]).
//!
//! [v1alpha4]: https://github.com/servicemeshinterface/smi-spec/blob/main/apis/traffic-specs/v1alpha4/traffic-specs.md

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::meta::ObjectMeta;

/// TCP connections, for TrafficTargets to name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TcpRoute {
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// The connections.
    #[serde(default)]
    pub spec: PortRouteSpec,
}

/// `spec` of a [`TcpRoute`] or a [`UdpRoute`](super::UdpRoute).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PortRouteSpec {
    /// What fits.
    #[serde(default)]
    pub matches: PortMatch,
}

/// Ports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PortMatch {
    /// The entry's name; nothing refers to it.
    pub name: Option<String>,
    /// The ports of the destination's pods; every port when there is none.
    #[serde(default)]
    pub ports: Vec<u16>,
}
