//! How connections to a service's endpoints are protected.

use crate::SecretName;

/// How connections to a service's endpoints are protected. Where nothing is said: by mesh TLS those that have a sidecar,
/// and the others not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamTls {
    /// Not at all, also those that have a sidecar.
    Disable,
    /// By mesh TLS; there are no connections to those that have no sidecar.
    Mutual,
    /// By mesh TLS those that have a sidecar, the others by TLS of their own.
    Simple(TlsOrigination),
}

impl UpstreamTls {
    /// The Secret whose pair is shown.
    #[must_use]
    pub fn secret(&self) -> Option<&SecretName> {
        match self {
            Self::Simple(TlsOrigination { client_certificate: Some(ClientCertificate::Secret(name)), .. }) => {
                Some(name)
            }
            Self::Simple(_) | Self::Disable | Self::Mutual => None,
        }
    }
}

/// TLS of an endpoint's own: whom to ask for and whom to believe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsOrigination {
    /// Who vouches for the endpoint.
    pub roots: Roots,
    /// The name that is asked for (SNI), lower case; none when not given.
    pub server_name: Option<String>,
    /// The names of which its certificate must have one; at least one.
    pub names: Vec<AltName>,
    /// The versions that are spoken.
    pub versions: TlsVersions,
    /// What is shown to an endpoint that asks who calls; nothing when not given.
    pub client_certificate: Option<ClientCertificate>,
}

/// What callers show of themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientCertificate {
    /// The certificate of the calling workload's own identity.
    Identity,
    /// The pair of this Secret. Where the snapshot has none, no connection is made.
    Secret(SecretName),
}

/// Who vouches for an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// Whom the sidecar's system believes.
    System,
    /// These certificates (PEM, one or more).
    Pem(String),
    /// Nobody, because what was named is not there: no connection is made.
    Nobody,
}

/// A name in a certificate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AltName {
    /// A DNS name, lower case; a certificate's `*.` stands for one label.
    Dns(String),
    /// A URI.
    Uri(String),
}

/// The versions of TLS that are spoken, from the lowest to the highest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct TlsVersions {
    pub lowest: TlsVersion,
    pub highest: TlsVersion,
}

impl Default for TlsVersions {
    /// All that there are.
    fn default() -> Self {
        Self { lowest: TlsVersion::V1_2, highest: TlsVersion::V1_3 }
    }
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum TlsVersion {
    V1_2,
    V1_3,
}
