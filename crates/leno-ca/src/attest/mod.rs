//! Who asks for a certificate.

mod kubernetes;
pub mod local;
pub mod token;

use std::path::PathBuf;

use leno_model::ServiceAccountName;

pub use self::kubernetes::KubernetesAttestor;

/// Who a token says its bearer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attested {
    /// The service account.
    pub service_account: ServiceAccountName,
    /// The pod, when the token is bound to one.
    pub pod: Option<String>,
}

/// Why a token is not believed.
#[derive(Debug, thiserror::Error)]
pub enum AttestError {
    /// The keys cannot be read: nobody's fault who shows a token.
    #[error("cannot read token keys {path}")]
    Keys {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The keys' file holds no key set.
    #[error("token keys {path} are no JWKS")]
    KeySet {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// The API server could not be asked: nobody's fault who shows a token.
    #[error("cannot have the token reviewed")]
    Review(#[source] leno_kube::Error),
    /// The API server does not believe the token.
    #[error("token is refused: {0}")]
    NotBelieved(String),
    /// The token is no JWT.
    #[error("token is malformed")]
    Malformed(#[source] jsonwebtoken::errors::Error),
    /// The token is signed with a key that is not in the set.
    #[error("token is signed with key {0:?}, which is not known")]
    UnknownKey(String),
    /// The signature, time, issuer or audience is wrong.
    #[error("token is refused: {reason}")]
    Refused {
        /// What is wrong.
        reason: &'static str,
        /// As the verifier says it.
        #[source]
        source: jsonwebtoken::errors::Error,
    },
    /// The subject is no service account.
    #[error("token's subject {0:?} is not system:serviceaccount:NAMESPACE:NAME")]
    Subject(String),
    /// The token contradicts itself.
    #[error("token's subject and its kubernetes.io claims name different service accounts")]
    Contradiction,
}

/// What tokens are believed.
#[derive(Debug)]
pub enum Attestor {
    /// Those that the local runner signs.
    Local(local::LocalAttestor),
    /// Those of a cluster's service accounts that are meant for [`token::AUDIENCE`]; its API server judges them.
    Kubernetes(KubernetesAttestor),
}

impl Attestor {
    /// Who the bearer of this token is.
    ///
    /// # Errors
    /// Why the token is not believed.
    pub async fn attest(&self, token: &str) -> Result<Attested, AttestError> {
        match self {
            Self::Local(attestor) => attestor.attest(token),
            Self::Kubernetes(attestor) => attestor.attest(token).await,
        }
    }
}

/// The service account that a user name or subject of Kubernetes stands for.
fn service_account(user: &str) -> Result<ServiceAccountName, AttestError> {
    let account = user.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
    account
        .filter(|(namespace, name)| is_name(namespace) && is_name(name))
        .map(|(namespace, name)| ServiceAccountName::new(namespace, name))
        .ok_or_else(|| AttestError::Subject(user.to_owned()))
}

/// Whether a text is a name as Kubernetes allows it, so that it can stand in an identity.
fn is_name(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    !text.is_empty() && text.len() <= 253 && text.chars().all(legal)
}
