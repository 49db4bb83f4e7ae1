//! `gateway.networking.k8s.io` BackendTLSPolicy ([v1]).
//!
//! [v1]: https://gateway-api.sigs.k8s.io/reference/spec/#backendtlspolicy

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{reference::LocalReference, status::PolicyStatus};
use crate::meta::ObjectMeta;

/// How TLS is spoken with the pods of a Service that have no sidecar.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackendTlsPolicy {
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// With whom, and what is verified.
    pub spec: BackendTlsPolicySpec,
    /// What became of it; written by Leno.
    pub status: Option<PolicyStatus>,
}

/// `spec` of a [`BackendTlsPolicy`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackendTlsPolicySpec {
    /// The Services of the same namespace.
    pub target_refs: Vec<PolicyTarget>,
    /// What is verified.
    pub validation: BackendTlsValidation,
    /// What implementations add; Leno adds nothing.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

/// What a policy is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyTarget {
    /// The API group.
    pub group: String,
    /// The kind.
    pub kind: String,
    /// The name.
    pub name: String,
    /// The name of a port; every port when not given.
    pub section_name: Option<String>,
}

/// What is verified of a backend's certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackendTlsValidation {
    /// ConfigMaps of the same namespace with the roots (`ca.crt`).
    #[serde(default)]
    pub ca_certificate_refs: Vec<LocalReference>,
    /// Roots that every system has.
    #[serde(rename = "wellKnownCACertificates")]
    pub well_known_ca_certificates: Option<String>,
    /// The name that is asked for (SNI), and that the certificate must have when no others are given.
    pub hostname: String,
    /// Names of which the certificate must have one.
    #[serde(default)]
    pub subject_alt_names: Vec<SubjectAltName>,
}

/// A name in a certificate. `type` says which of the two fields is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubjectAltName {
    /// What sort of name it is.
    #[serde(rename = "type")]
    pub kind: SubjectAltNameType,
    /// A DNS name.
    pub hostname: Option<String>,
    /// A URI.
    pub uri: Option<String>,
}

/// What sort of name a [`SubjectAltName`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SubjectAltNameType {
    /// A DNS name.
    Hostname,
    /// A URI, such as a SPIFFE identity.
    #[serde(rename = "URI")]
    Uri,
}
