//! Workload tokens: JWTs like Kubernetes' projected service-account tokens, signed by the local runner.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use jsonwebtoken::{
    Algorithm, EncodingKey, Header,
    jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash},
};
use leno_model::{ServiceAccountName, WorkloadName};
use rcgen::KeyPair;
use serde::{Deserialize, Serialize};

/// Who signs workload tokens locally (`iss`).
pub const ISSUER: &str = "leno-local";
/// Whom workload tokens are for (`aud`).
pub const AUDIENCE: &str = "leno-ca";

/// The claims of a workload token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    pub(crate) aud: Audience,
    /// `system:serviceaccount:NAMESPACE:NAME`.
    pub(crate) sub: String,
    pub(crate) exp: u64,
    pub(crate) iat: u64,
    #[serde(rename = "kubernetes.io", default, skip_serializing_if = "Option::is_none")]
    pub(crate) kubernetes: Option<Kubernetes>,
}

/// One audience or several.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    /// Whether this one is meant.
    pub(crate) fn has(&self, wanted: &str) -> bool {
        match self {
            Self::One(one) => one == wanted,
            Self::Several(several) => several.iter().any(|one| one == wanted),
        }
    }
}

/// What Kubernetes says of the bearer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Kubernetes {
    pub(crate) namespace: String,
    pub(crate) pod: Option<Named>,
    pub(crate) serviceaccount: Named,
}

/// A name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Named {
    pub(crate) name: String,
}

/// Why a token could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// No key could be made.
    #[error("making the token key")]
    Key(#[source] rcgen::Error),
    /// The key could not be used, or the claims not be signed.
    #[error("signing a workload token")]
    Sign(#[source] jsonwebtoken::errors::Error),
    /// The key set could not be written as JSON.
    #[error("writing the token keys as JSON")]
    Json(#[source] serde_json::Error),
}

/// Signs workload tokens with a key (ECDSA P-256) of its own that never leaves the process.
pub struct TokenIssuer {
    key: EncodingKey,
    public: Jwk,
    key_id: String,
}

impl fmt::Debug for TokenIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenIssuer").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

impl TokenIssuer {
    /// An issuer with a new key.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate() -> Result<Self, TokenError> {
        let pair = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(TokenError::Key)?;
        let key = EncodingKey::from_ec_der(pair.serialized_der());
        let mut public = Jwk::from_encoding_key(&key, Algorithm::ES256).map_err(TokenError::Sign)?;
        let key_id = public.thumbprint(ThumbprintHash::SHA256).map_err(TokenError::Sign)?;
        public.common.key_id = Some(key_id.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        Ok(Self { key, public, key_id })
    }

    /// A token for the workload, valid from `now` for `lifetime`.
    ///
    /// # Errors
    /// When signing fails.
    pub fn sign(
        &self,
        workload: &WorkloadName,
        service_account: &ServiceAccountName,
        lifetime: Duration,
        now: SystemTime,
    ) -> Result<String, TokenError> {
        let iat = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let ServiceAccountName { namespace, name } = service_account;
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: Audience::Several(vec![AUDIENCE.to_owned()]),
            sub: format!("system:serviceaccount:{namespace}:{name}"),
            exp: iat + lifetime.as_secs(),
            iat,
            kubernetes: Some(Kubernetes {
                namespace: workload.namespace.clone(),
                pod: Some(Named { name: workload.name.clone() }),
                serviceaccount: Named { name: name.clone() },
            }),
        };
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.key_id.clone());
        jsonwebtoken::encode(&header, &claims, &self.key).map_err(TokenError::Sign)
    }

    /// The public keys (JWKS) that tokens are verified with.
    ///
    /// # Errors
    /// When they cannot be written as JSON.
    pub fn jwks(&self) -> Result<String, TokenError> {
        let keys = JwkSet { keys: vec![self.public.clone()] };
        serde_json::to_string_pretty(&keys).map_err(TokenError::Json)
    }
}
