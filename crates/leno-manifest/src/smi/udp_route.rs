//! `specs.smi-spec.io` UDPRoute ([v1alpha4]).
//!
//! [v1alpha4]: https://github.com/servicemeshinterface/smi-spec/blob/main/apis/traffic-specs/v1alpha4/traffic-specs.md

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::tcp_route::PortRouteSpec;
use crate::meta::ObjectMeta;

/// UDP datagrams, for TrafficTargets to name. Datagrams pass the sidecar by, so it changes nothing and is reported.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UdpRoute {
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// The datagrams.
    #[serde(default)]
    pub spec: PortRouteSpec,
}
