//! `v1` Service.

use std::collections::BTreeMap;

use leno_model::policy::traffic::Nearness;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::meta::{IntOrString, ObjectMeta};

/// A Kubernetes Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Service {
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// What it is.
    pub spec: ServiceSpec,
    /// What a cloud's load balancer reports; unused.
    pub status: Option<ServiceStatus>,
}

/// `spec` of a [`Service`] ([ServiceSpec]).
///
/// [ServiceSpec]: https://kubernetes.io/docs/reference/kubernetes-api/service-resources/service-v1/#ServiceSpec
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceSpec {
    /// How it is reached; `ClusterIP` when not given.
    #[serde(rename = "type", default)]
    pub type_: ServiceType,
    /// The labels of the pods behind it; empty when somebody else writes its endpoints.
    #[serde(default)]
    pub selector: BTreeMap<String, String>,
    /// Its ports.
    #[serde(default)]
    pub ports: Vec<ServicePort>,
    /// Its virtual address, or `None` (the word) for a headless service; not given: one is assigned.
    #[serde(rename = "clusterIP")]
    pub cluster_ip: Option<String>,
    /// Its virtual addresses, one a family.
    #[serde(rename = "clusterIPs", default)]
    pub cluster_ips: Vec<String>,
    /// Whether endpoints that are not ready are listed in DNS and as ready.
    #[serde(default)]
    pub publish_not_ready_addresses: bool,
    /// The address families wanted; the local runner has IPv4.
    #[serde(default)]
    pub ip_families: Vec<String>,
    /// How many address families are wanted.
    pub ip_family_policy: Option<String>,
    /// Whether a client keeps its endpoint (`ClientIP`); outside the mesh only.
    pub session_affinity: Option<String>,
    /// The name that an `ExternalName` service stands for; refused.
    pub external_name: Option<String>,
    /// Which nodes outside traffic may enter by; there is one.
    pub external_traffic_policy: Option<String>,
    /// Which nodes inside traffic may go to; there is one.
    pub internal_traffic_policy: Option<String>,
    /// Which endpoints clients in the mesh use first; all alike when not given.
    pub traffic_distribution: Option<TrafficDistribution>,
    /// Whether node ports are taken for a load balancer.
    pub allocate_load_balancer_node_ports: Option<bool>,
}

/// Which endpoints clients use first ([traffic distribution]). The mesh looks at zones and not at nodes.
///
/// [traffic distribution]: https://kubernetes.io/docs/concepts/services-networking/service/#traffic-distribution
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TrafficDistribution {
    /// Those of the client's zone.
    PreferSameZone,
    /// The same, by its older name.
    PreferClose,
    /// Those of the client's node, which is in its zone.
    PreferSameNode,
}

impl TrafficDistribution {
    /// What it means.
    #[must_use]
    pub fn to_model(self) -> Nearness {
        match self {
            Self::PreferSameZone | Self::PreferClose | Self::PreferSameNode => Nearness::SameZone,
        }
    }
}

/// How a service is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ServiceType {
    /// By a virtual address inside.
    #[default]
    ClusterIP,
    /// Besides, by a port of every node; locally use the annotation `leno.dev/publish`.
    NodePort,
    /// Besides, by a cloud's load balancer; locally use the annotation `leno.dev/publish`.
    LoadBalancer,
    /// As another DNS name; refused, because the mesh would have to guess what it means.
    ExternalName,
}

/// One port of a [`Service`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServicePort {
    /// Its name; needed when there are several.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The number that clients dial, 1 to 65535.
    #[schemars(range(min = 1))]
    pub port: u16,
    /// The pods' port, by number or name; the same number when not given.
    pub target_port: Option<IntOrString>,
    /// The transport protocol.
    #[serde(default)]
    pub protocol: Transport,
    /// What is spoken on it, e.g. `http`, `kubernetes.io/h2c`, `tcp`.
    pub app_protocol: Option<String>,
    /// The port on every node; unused locally.
    pub node_port: Option<i32>,
}

/// The transport protocol of a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Transport {
    /// TCP.
    #[default]
    #[serde(rename = "TCP")]
    Tcp,
    /// UDP; passes the sidecar by.
    #[serde(rename = "UDP")]
    Udp,
    /// SCTP; passes the sidecar by.
    #[serde(rename = "SCTP")]
    Sctp,
}

/// `status` of a [`Service`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceStatus {}

impl Service {
    /// Whether it was written to have no virtual address.
    #[must_use]
    pub fn is_headless(&self) -> bool {
        self.spec.cluster_ip.as_deref() == Some("None") || self.spec.cluster_ips.iter().any(|ip| ip == "None")
    }
}
