//! `split.smi-spec.io` TrafficSplit ([v1alpha4]).
//!
//! [v1alpha4]: https://github.com/servicemeshinterface/smi-spec/blob/main/apis/traffic-split/v1alpha4/traffic-split.md

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::meta::ObjectMeta;

/// Shares the requests for one service out among others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrafficSplit {
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// How.
    pub spec: TrafficSplitSpec,
}

/// `spec` of a [`TrafficSplit`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrafficSplitSpec {
    /// The service that clients call: its name, or a name of cluster DNS.
    pub service: String,
    /// Where the requests go; at least one.
    pub backends: Vec<TrafficSplitBackend>,
    /// The requests that are split: HTTPRouteGroups, of which one must fit. All requests when not given; those that
    /// do not fit go to the service itself.
    #[serde(default)]
    pub matches: Vec<TrafficSplitMatch>,
}

/// One target of a [`TrafficSplit`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrafficSplitBackend {
    /// The service, in the same namespace; may be the split one itself.
    pub service: String,
    /// Its share in relation to the others'; 0 sends it nothing.
    pub weight: u32,
}

/// The requests that are split.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrafficSplitMatch {
    /// `specs.smi-spec.io`, or nothing.
    pub api_group: Option<String>,
    /// The kind of the object that describes them.
    pub kind: MatchKind,
    /// The name of that object, in the same namespace.
    pub name: String,
}

/// The kind of object that describes requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MatchKind {
    /// HTTP requests.
    #[default]
    #[serde(rename = "HTTPRouteGroup")]
    HttpRouteGroup,
}
