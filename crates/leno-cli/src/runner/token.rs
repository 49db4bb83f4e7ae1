//! Workload tokens: JWTs like Kubernetes' projected service-account tokens, by which sidecars prove to the certificate
//! authority who they are.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use leno_model::WorkloadName;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData};
use serde_json::json;

use super::clock;

/// How long a token is valid, in seconds.
const LIFETIME: i64 = 60 * 60;
/// How often tokens are written anew, in seconds: half-way.
pub(crate) const REFRESH: u64 = 30 * 60;
/// The one key's id.
const KEY_ID: &str = "leno-local-1";

/// The issuer of workload tokens. Its key is made at start and never leaves memory.
pub(crate) struct Tokens {
    key: EncodingKey,
    directory: PathBuf,
    /// The tokens that are in use: whose, and for which service account.
    issued: Mutex<BTreeMap<WorkloadName, String>>,
}

impl Tokens {
    /// A new issuer; writes its public key as `jwks.json` into the directory.
    ///
    /// # Errors
    /// When the key cannot be made or the file cannot be written.
    pub(crate) fn new(directory: &Path) -> anyhow::Result<Self> {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let key = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes())?;
        fs::DirBuilder::new().mode(0o700).recursive(true).create(directory)?;
        fs::write(directory.join("jwks.json"), key_set(pair.der_bytes()).to_string())?;
        Ok(Self { key, directory: directory.to_owned(), issued: Mutex::default() })
    }

    /// Where the public key is.
    pub(crate) fn key_set_file(&self) -> PathBuf {
        self.directory.join("jwks.json")
    }

    /// Where a pod's token is.
    pub(crate) fn file(&self, pod: &WorkloadName) -> PathBuf {
        self.directory.join(format!("{}.{}.token", pod.namespace, pod.name))
    }

    /// Writes a token for a pod, and keeps it fresh from now on.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn issue(&self, pod: &WorkloadName, account: &str) -> io::Result<PathBuf> {
        let now = clock::now_unix();
        let WorkloadName { namespace, name } = pod;
        let claims = json!({
            "iss": "leno-local",
            "aud": ["leno-ca"],
            "sub": format!("system:serviceaccount:{namespace}:{account}"),
            "iat": now,
            "nbf": now,
            "exp": now + LIFETIME,
            "kubernetes.io": {
                "namespace": namespace, "pod": {"name": name}, "serviceaccount": {"name": account},
            },
        });
        let header = Header { kid: Some(KEY_ID.into()), ..Header::new(Algorithm::ES256) };
        let token = jsonwebtoken::encode(&header, &claims, &self.key).map_err(io::Error::other)?;
        let file = self.file(pod);
        let fresh = file.with_extension("new");
        let mut options = fs::OpenOptions::new();
        let mut out = options.write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        io::Write::write_all(&mut out, token.as_bytes())?;
        fs::rename(&fresh, &file)?;
        self.issued.lock().unwrap_or_else(PoisonError::into_inner).insert(pod.clone(), account.to_owned());
        Ok(file)
    }

    /// Writes every token that is in use anew.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(crate) fn refresh(&self) -> io::Result<()> {
        let issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner).clone();
        issued.iter().try_for_each(|(pod, account)| self.issue(pod, account).map(drop))
    }

    /// Removes the token of a pod that is gone.
    pub(crate) fn forget(&self, pod: &WorkloadName) {
        self.issued.lock().unwrap_or_else(PoisonError::into_inner).remove(pod);
        // A pod without sidecar has none.
        fs::remove_file(self.file(pod)).ok();
    }
}

/// The public key as a JSON Web Key Set (RFC 7517, 7518 6.2.1). `point` is the uncompressed point: 4, x, y.
fn key_set(point: &[u8]) -> serde_json::Value {
    let coordinate = |range: std::ops::Range<usize>| base64url(point.get(range).unwrap_or_default());
    json!({"keys": [{
        "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": KEY_ID,
        "x": coordinate(1..33), "y": coordinate(33..65),
    }]})
}

/// RFC 4648 section 5, without padding.
fn base64url(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().enumerate().fold(0_u32, |group, (at, byte)| group | u32::from(*byte) << (16 - 8 * at));
        for at in 0..=chunk.len() {
            text.push(char::from(LETTERS[(group >> (18 - 6 * at) & 0x3f) as usize]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, Validation};

    use super::*;

    #[test]
    fn base64url_has_no_padding() {
        for (bytes, text) in [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64url(bytes.as_bytes()), text);
        }
        assert_eq!(base64url(&[0xfb, 0xff]), "-_8");
    }

    #[test]
    fn tokens_verify_against_the_published_key_and_are_private() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let tokens = Tokens::new(&folder.path().join("tokens")).unwrap();
        let pod = WorkloadName::new("shop", "cart-1");
        let file = tokens.issue(&pod, "cart").unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let keys: serde_json::Value = serde_json::from_slice(&fs::read(tokens.key_set_file()).unwrap()).unwrap();
        let part = |name: &str| keys["keys"][0][name].as_str().unwrap().to_owned();
        let key = DecodingKey::from_ec_components(&part("x"), &part("y")).unwrap();
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_audience(&["leno-ca"]);
        let token = fs::read(&file).unwrap();
        let claims: serde_json::Value = jsonwebtoken::decode(&token, &key, &validation).unwrap().claims;
        assert_eq!(claims["sub"], "system:serviceaccount:shop:cart");
        tokens.forget(&pod);
        assert!(!file.exists());
    }
}
