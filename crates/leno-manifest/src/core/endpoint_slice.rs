//! `discovery.k8s.io/v1` EndpointSlice.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::service::Transport;
use crate::meta::ObjectMeta;

/// The label that names the service of a slice.
pub const SERVICE_NAME_LABEL: &str = "kubernetes.io/service-name";

/// A part of the endpoints of a Service ([EndpointSlice]).
///
/// [EndpointSlice]: https://kubernetes.io/docs/reference/kubernetes-api/service-resources/endpoint-slice-v1/
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointSlice {
    /// Its metadata; the label [`SERVICE_NAME_LABEL`] names the service.
    pub metadata: ObjectMeta,
    /// What its addresses are.
    pub address_type: AddressType,
    /// The endpoints.
    #[serde(default)]
    pub endpoints: Vec<SliceEndpoint>,
    /// The ports that each of them has.
    #[serde(default)]
    pub ports: Vec<EndpointPort>,
}

/// What the addresses of a slice are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AddressType {
    /// IPv4 addresses.
    IPv4,
    /// IPv6 addresses.
    IPv6,
    /// DNS names; not used by the mesh.
    FQDN,
}

/// One endpoint of a slice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SliceEndpoint {
    /// Its addresses; they are the same endpoint, the first is used.
    pub addresses: Vec<String>,
    /// Its state.
    #[serde(default)]
    pub conditions: EndpointConditions,
    /// The pod behind it.
    pub target_ref: Option<TargetRef>,
    /// The host name of the pod, for DNS.
    pub hostname: Option<String>,
    /// The node of the pod.
    pub node_name: Option<String>,
    /// The zone of the pod.
    pub zone: Option<String>,
    /// Written by old exporters; unused.
    #[serde(default)]
    pub deprecated_topology: BTreeMap<String, String>,
}

/// The state of an endpoint; not given means: take it as fine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointConditions {
    /// Whether it takes new requests.
    pub ready: Option<bool>,
    /// Whether it answers at all, terminating or not.
    pub serving: Option<bool>,
    /// Whether it is going away.
    pub terminating: Option<bool>,
}

/// A port of a slice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointPort {
    /// The name of the service port that it serves; empty for the one without a name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The number on the endpoint.
    pub port: Option<u16>,
    /// The transport protocol.
    #[serde(default)]
    pub protocol: Transport,
    /// What is spoken on it.
    pub app_protocol: Option<String>,
}

/// The object behind an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetRef {
    /// Its kind: `Pod`.
    #[serde(default)]
    pub kind: String,
    /// Its namespace; empty means the slice's.
    #[serde(default)]
    pub namespace: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its uid.
    pub uid: Option<String>,
}
