//! Tokens that the local runner signs, verified with the keys of a file.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use jsonwebtoken::{
    Algorithm, DecodingKey, Validation,
    errors::ErrorKind,
    jwk::{AlgorithmParameters, EllipticCurve, JwkSet},
};

use super::{
    AttestError, Attested, service_account,
    token::{AUDIENCE, Claims, ISSUER},
};

/// How far the signer's clock may be off, in seconds. Signer and verifier run on one machine.
const LEEWAY: u64 = 5;

/// Verifies workload tokens with the keys of a JWKS file, which is read again when it changes.
#[derive(Debug)]
pub struct LocalAttestor {
    path: PathBuf,
    /// What was read last. Held for moments, never across an await.
    read: Mutex<Option<Read>>,
}

/// Keys, and the state of the file that they were read from.
#[derive(Debug)]
struct Read {
    stamp: Stamp,
    keys: Arc<JwkSet>,
}

/// What changes when a file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
}

impl LocalAttestor {
    /// An attestor with the keys of this file; it need not exist yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), read: Mutex::new(None) }
    }

    /// Who the bearer of this token is.
    ///
    /// # Errors
    /// Why the token is not believed.
    pub fn attest(&self, token: &str) -> Result<Attested, AttestError> {
        let header = jsonwebtoken::decode_header(token).map_err(AttestError::Malformed)?;
        let key_id = header.kid.unwrap_or_default();
        let keys = self.keys()?;
        let key = keys.find(&key_id).ok_or_else(|| AttestError::UnknownKey(key_id.clone()))?;
        match &key.algorithm {
            AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => {}
            _ => return Err(AttestError::UnknownKey(key_id)),
        }
        let key = DecodingKey::from_jwk(key).map_err(refused)?;
        let mut validation = Validation::new(Algorithm::ES256);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["aud", "exp", "iss", "sub"]);
        let claims = jsonwebtoken::decode::<Claims>(token, &key, &validation).map_err(refused)?.claims;
        attested(claims)
    }

    fn keys(&self) -> Result<Arc<JwkSet>, AttestError> {
        let failed = |source| AttestError::Keys { path: self.path.clone(), source };
        let stamp = stamp(&self.path).map_err(failed)?;
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*read
            && known.stamp == stamp
        {
            return Ok(Arc::clone(&known.keys));
        }
        let text = std::fs::read_to_string(&self.path).map_err(failed)?;
        let set =
            serde_json::from_str(&text).map_err(|source| AttestError::KeySet { path: self.path.clone(), source })?;
        let keys = Arc::new(set);
        *read = Some(Read { stamp, keys: Arc::clone(&keys) });
        Ok(keys)
    }
}

fn stamp(path: &Path) -> Result<Stamp, std::io::Error> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = std::fs::metadata(path)?;
    Ok(Stamp { modified: metadata.modified().ok(), length: metadata.len(), inode: metadata.ino() })
}

fn refused(source: jsonwebtoken::errors::Error) -> AttestError {
    let reason = match source.kind() {
        ErrorKind::ExpiredSignature => "it has expired",
        ErrorKind::ImmatureSignature => "it is not valid yet",
        ErrorKind::InvalidSignature => "its signature is wrong",
        ErrorKind::InvalidIssuer => "it is of another issuer than leno-local",
        ErrorKind::InvalidAudience => "it is not for leno-ca",
        ErrorKind::InvalidAlgorithm => "it is not signed with ES256",
        _ => "it is not a workload token",
    };
    AttestError::Refused { reason, source }
}

fn attested(claims: Claims) -> Result<Attested, AttestError> {
    let service_account = service_account(&claims.sub)?;
    let Some(kubernetes) = claims.kubernetes else {
        return Ok(Attested { service_account, pod: None });
    };
    if kubernetes.namespace != service_account.namespace || kubernetes.serviceaccount.name != service_account.name {
        return Err(AttestError::Contradiction);
    }
    Ok(Attested { service_account, pod: kubernetes.pod.map(|pod| pod.name) })
}
