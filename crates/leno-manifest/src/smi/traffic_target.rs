//! `access.smi-spec.io` TrafficTarget ([v1alpha3]).
//!
//! [v1alpha3]: https://github.com/servicemeshinterface/smi-spec/blob/main/apis/traffic-access/v1alpha3/traffic-access.md

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::meta::ObjectMeta;

/// Lets the pods of some service accounts call those of another. Everything that no TrafficTarget lets in is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrafficTarget {
    /// Its metadata; its namespace must be the destination's.
    pub metadata: ObjectMeta,
    /// Who may call whom.
    pub spec: TrafficTargetSpec,
}

/// `spec` of a [`TrafficTarget`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrafficTargetSpec {
    /// Whose pods are called.
    pub destination: IdentityBindingSubject,
    /// Whose pods may call; at least one.
    pub sources: Vec<IdentityBindingSubject>,
    /// Which requests pass: a request passes when one rule fits; at least one.
    pub rules: Vec<TrafficTargetRule>,
}

/// A service account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdentityBindingSubject {
    /// What is named.
    pub kind: SubjectKind,
    /// Its name.
    pub name: String,
    /// Its namespace; the object's own when not given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// The only port that may be called: up to v1alpha2, of `destination` only. Since v1alpha3 a TCPRoute says this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

/// What kind of identity is named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SubjectKind {
    /// A Kubernetes ServiceAccount.
    #[default]
    ServiceAccount,
}

/// One kind of traffic that passes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrafficTargetRule {
    /// The kind of the object that describes it.
    pub kind: RouteKind,
    /// The name of that object, in the same namespace.
    pub name: String,
    /// Names of entries of the HTTPRouteGroup; all of them when not given.
    #[serde(default)]
    pub matches: Vec<String>,
}

/// The kind of an object that describes traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum RouteKind {
    /// HTTP requests.
    #[serde(rename = "HTTPRouteGroup")]
    HttpRouteGroup,
    /// TCP connections.
    #[serde(rename = "TCPRoute")]
    TcpRoute,
    /// UDP datagrams; they pass the sidecar by.
    #[serde(rename = "UDPRoute")]
    UdpRoute,
}

impl RouteKind {
    /// The kind as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HttpRouteGroup => "HTTPRouteGroup",
            Self::TcpRoute => "TCPRoute",
            Self::UdpRoute => "UDPRoute",
        }
    }
}
