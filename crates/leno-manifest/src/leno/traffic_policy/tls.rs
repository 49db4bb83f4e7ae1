//! How connections to endpoints are protected.

use leno_model::policy::traffic::TlsVersion as VersionModel;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::gateway::backend_tls_policy::SubjectAltName;

/// How connections to endpoints are protected. The fields beside `mode` belong to `Simple`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// What is spoken with them.
    pub mode: TlsMode,
    /// The name that is asked for (SNI), and that the certificate must have when no others are given.
    pub hostname: Option<String>,
    /// Names of which the certificate must have one.
    #[serde(default)]
    pub subject_alt_names: Vec<SubjectAltName>,
    /// Who vouches for the certificate: ConfigMaps and Secrets of the policy's namespace.
    #[serde(default)]
    pub ca_certificate_refs: Vec<CertificateRef>,
    /// In the place of those: the roots that the sidecar's system has.
    #[serde(rename = "wellKnownCACertificates")]
    pub well_known_ca_certificates: Option<WellKnownCertificates>,
    /// The lowest version that is spoken; `1.2` when not given.
    pub min_version: Option<TlsVersion>,
    /// The highest version that is spoken; `1.3` when not given.
    pub max_version: Option<TlsVersion>,
    /// What the caller's sidecar shows to an endpoint that asks who calls; nothing when not given.
    pub client_certificate: Option<ClientCertificate>,
}

/// What a caller's sidecar shows of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientCertificate {
    /// Where it is from.
    pub kind: ClientCertificateKind,
    /// Of `Secret`: its name. It is of type `kubernetes.io/tls` and in the policy's namespace.
    pub name: Option<String>,
}

/// Where a client certificate is from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ClientCertificateKind {
    /// The certificate of the caller's own identity, which the mesh's authority vouches for.
    #[default]
    Identity,
    /// A `v1` Secret with `tls.crt` and `tls.key` that says `leno.dev/client-certificate: enabled`. The sidecars that the
    /// policy names (of a TrafficPolicy `from`, which is needed then) get it, and only they.
    Secret,
}

impl ClientCertificate {
    /// The Secret that has it.
    #[must_use]
    pub fn secret(&self) -> Option<&str> {
        match self.kind {
            ClientCertificateKind::Secret => self.name.as_deref(),
            ClientCertificateKind::Identity => None,
        }
    }
}

/// What is spoken with endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TlsMode {
    /// Plaintext, also with those that have a sidecar (which a mesh with `mtls: Strict` refuses).
    Disable,
    /// Mesh TLS; there are no connections to endpoints without a sidecar.
    #[default]
    Mutual,
    /// With endpoints that have no sidecar TLS of their own; with the others mesh TLS as ever.
    Simple,
}

/// An object with certificates in PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CertificateRef {
    /// The object's kind.
    pub kind: CertificateKind,
    /// Its name.
    pub name: String,
    /// The key of the certificates in it; `ca.crt` when not given.
    pub key: Option<String>,
}

/// The kind of object that has certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CertificateKind {
    /// A `v1` ConfigMap.
    #[default]
    ConfigMap,
    /// A `v1` Secret; nothing of it but the certificates is used.
    Secret,
}

/// Certificates that every system has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WellKnownCertificates {
    /// Those of the system that the sidecar runs on.
    System,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum TlsVersion {
    /// TLS 1.2.
    #[serde(rename = "1.2")]
    V1_2,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    V1_3,
}

impl TlsVersion {
    /// What it means.
    #[must_use]
    pub fn to_model(self) -> VersionModel {
        match self {
            Self::V1_2 => VersionModel::V1_2,
            Self::V1_3 => VersionModel::V1_3,
        }
    }
}
