//! `policy.leno.dev/v1alpha1` TrafficPolicy.

pub mod connection;
pub mod fault;
pub mod global_rate_limit;
pub mod health_check;
pub mod load_balancer;
pub mod mirror;
pub mod outlier;
pub mod rate_limit;
pub mod retry;
pub mod tls;

use leno_model::policy::traffic::{Timeouts as TimeoutsModel, TrafficSettings};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    connection::Connections, fault::Fault, global_rate_limit::GlobalRateLimit, health_check::HealthCheck,
    load_balancer::LoadBalancer, mirror::Mirror, outlier::OutlierDetection, rate_limit::LocalRateLimit, retry::Retries,
    tls::Tls,
};
use super::target::{Caller, TargetRef};
use crate::{meta::ObjectMeta, syntax::duration};

/// How clients talk to a service, and how much of it a server takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrafficPolicy {
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// What it says.
    pub spec: TrafficPolicySpec,
}

/// `spec` of a [`TrafficPolicy`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrafficPolicySpec {
    /// The Services and routes that it speaks of, in its own namespace; at least one.
    pub target_refs: Vec<TargetRef>,
    /// Only what these service accounts send; what anybody sends when not given.
    #[serde(default)]
    pub from: Vec<Caller>,
    /// What is spoken on the ports, in the place of `appProtocol` and of the port's name.
    pub protocol: Option<Protocol>,
    /// How connections to endpoints are protected; when not given by mesh TLS those that have a sidecar, and the others not
    /// at all.
    pub tls: Option<Tls>,
    /// How endpoints are chosen; `LeastRequest` of two when not given.
    pub load_balancer: Option<LoadBalancer>,
    /// How much one sidecar has open to the service at the same time; more is refused with 503.
    pub connections: Option<Connections>,
    /// Which endpoints are left out for a while because they fail; none when not given.
    pub outlier_detection: Option<OutlierDetection>,
    /// How sidecars ask endpoints whether they are well; they do not when not given.
    pub health_check: Option<HealthCheck>,
    /// Which requests are sent again; when not given only those that cannot have been processed.
    pub retries: Option<Retries>,
    /// How long things may take.
    pub timeouts: Option<Timeouts>,
    /// Where callers' sidecars send copies of requests.
    pub mirror: Option<Mirror>,
    /// What callers' sidecars make fail or take long, for tests.
    pub fault: Option<Fault>,
    /// How much each instance takes in a time, at its own sidecar. Of a route: how much each caller's sidecar sends by it.
    pub local_rate_limit: Option<LocalRateLimit>,
    /// How much all instances take together in a time, counted by the control plane, or by a service of your own. Of a route:
    /// how much all callers send by it; where the control plane counts, all callers of one namespace.
    pub global_rate_limit: Option<GlobalRateLimit>,
    /// The most connections that each instance has open on a port, from 1 up, counted at its own sidecar (on a port whose
    /// protocol is found out, those of HTTP and those of bytes apart); more are closed. As many as come when not given.
    pub max_inbound_connections: Option<u32>,
}

/// What is spoken on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Protocol {
    /// HTTP/1.1 or HTTP/2, whichever the client speaks.
    #[serde(rename = "HTTP")]
    Http,
    /// HTTP/2 in plaintext with prior knowledge, gRPC included.
    #[serde(rename = "HTTP2")]
    Http2,
    /// gRPC: HTTP/2 in plaintext with prior knowledge.
    #[serde(rename = "GRPC")]
    Grpc,
    /// Bytes.
    #[serde(rename = "TCP")]
    Tcp,
}

impl Protocol {
    /// What it means.
    #[must_use]
    pub fn to_model(self) -> leno_model::Protocol {
        match self {
            Self::Http => leno_model::Protocol::Http,
            Self::Http2 | Self::Grpc => leno_model::Protocol::Http2,
            Self::Tcp => leno_model::Protocol::Tcp,
        }
    }
}

/// How long things may take.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Timeouts {
    /// From the whole request to the whole answer, retries included; then 504. For ever when not given, or `0s`.
    pub request: Option<String>,
    /// How long nothing may move, in either direction, of an HTTP exchange or on a connection of bytes. What the sidecar
    /// has by itself when not given; for ever when `0s`.
    pub idle: Option<String>,
    /// Until a connection to an endpoint is there, TLS included; `5s` when not given.
    pub connect: Option<String>,
}

impl Timeouts {
    /// What they mean.
    #[must_use]
    pub fn to_model(&self) -> TimeoutsModel {
        let time = |text: &Option<String>| text.as_deref().and_then(duration::parse);
        TimeoutsModel { request: time(&self.request), idle: time(&self.idle), connect: time(&self.connect) }
    }
}

impl TrafficPolicySpec {
    /// What it says of traffic, in a policy of this namespace; its targets and callers left out, and TLS, whose certificates
    /// are in other objects.
    #[must_use]
    pub fn to_model(&self, namespace: &str) -> TrafficSettings {
        TrafficSettings {
            protocol: self.protocol.map(Protocol::to_model),
            tls: None,
            load_balancer: self.load_balancer.as_ref().map(LoadBalancer::to_model),
            connections: self.connections.as_ref().map(Connections::to_model),
            outlier_detection: self.outlier_detection.as_ref().map(OutlierDetection::to_model),
            health_check: self.health_check.as_ref().and_then(HealthCheck::to_model),
            retries: self.retries.as_ref().map(Retries::to_model),
            timeouts: self.timeouts.as_ref().map(Timeouts::to_model),
            mirror: self.mirror.as_ref().map(|mirror| mirror.to_model(namespace)),
            fault: self.fault.as_ref().map(Fault::to_model),
            rate_limit: self.local_rate_limit.as_ref().map(LocalRateLimit::to_model),
            global_rate_limit: self.global_rate_limit.as_ref().map(|limit| limit.to_model(namespace)),
            inbound_connections: self.max_inbound_connections,
        }
    }
}
