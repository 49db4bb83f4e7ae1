//! What Leno's own policies are attached to ([policy attachment]) and whom they speak of.
//!
//! [policy attachment]: https://gateway-api.sigs.k8s.io/reference/policy-attachment/

use leno_model::ServiceAccountName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::service_ref::given_or;
use crate::object::Kind;

/// An object in the namespace of the policy, or a part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetRef {
    /// The object's API group: empty (or `core`) for a Service, `gateway.networking.k8s.io` for routes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The object's kind.
    pub kind: TargetKind,
    /// The object's name, in the namespace of the policy.
    pub name: String,
    /// A part of it: of a Service a port, by name or number; of a route a rule, by name. All of it when not given.
    pub section_name: Option<String>,
}

/// A Service in the namespace of the policy, or a port of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceTarget {
    /// The Service's API group: empty (or `core`).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The object's kind.
    pub kind: ServiceKind,
    /// The Service's name, in the namespace of the policy.
    pub name: String,
    /// A port of it, by name or number. All of them when not given.
    pub section_name: Option<String>,
}

/// The only kind of object that a [`ServiceTarget`] can be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ServiceKind {
    /// A `v1` Service.
    #[default]
    Service,
}

impl From<&ServiceTarget> for TargetRef {
    fn from(target: &ServiceTarget) -> Self {
        let ServiceTarget { group, kind: ServiceKind::Service, name, section_name } = target;
        Self { group: group.clone(), kind: TargetKind::Service, name: name.clone(), section_name: section_name.clone() }
    }
}

/// The kind of object that a policy is attached to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TargetKind {
    /// A `v1` Service.
    #[default]
    Service,
    /// An HTTPRoute of the Gateway API.
    #[serde(rename = "HTTPRoute")]
    HttpRoute,
    /// A GRPCRoute of the Gateway API.
    #[serde(rename = "GRPCRoute")]
    GrpcRoute,
    /// A TCPRoute of the Gateway API.
    #[serde(rename = "TCPRoute")]
    TcpRoute,
    /// A TLSRoute of the Gateway API.
    #[serde(rename = "TLSRoute")]
    TlsRoute,
}

impl TargetKind {
    /// The kind of object.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::Service => Kind::Service,
            Self::HttpRoute => Kind::HttpRoute,
            Self::GrpcRoute => Kind::GrpcRoute,
            Self::TcpRoute => Kind::GatewayTcpRoute,
            Self::TlsRoute => Kind::TlsRoute,
        }
    }

    /// What a policy says of, when it is attached to this kind.
    #[must_use]
    pub fn carries(self) -> Carries {
        match self {
            Self::Service => Carries::Anything,
            Self::HttpRoute | Self::GrpcRoute => Carries::RoutedRequests,
            Self::TcpRoute | Self::TlsRoute => Carries::RoutedBytes,
        }
    }
}

/// What goes through the object that a policy is attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carries {
    /// All that a Service takes.
    Anything,
    /// Requests, as a route chose them.
    RoutedRequests,
    /// Connections of bytes, as a route chose them.
    RoutedBytes,
}

/// A service account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Caller {
    /// The service account's name.
    pub service_account: String,
    /// Its namespace; the policy's own when not given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
}

impl Caller {
    /// The service account, for a policy in this namespace.
    #[must_use]
    pub fn to_model(&self, namespace: &str) -> ServiceAccountName {
        ServiceAccountName::new(given_or(&self.namespace, namespace), &self.service_account)
    }
}
