//! Keys that tokens are verified by ([RFC 7517]).
//!
//! [RFC 7517]: https://www.rfc-editor.org/rfc/rfc7517

use std::str::FromStr as _;

use jsonwebtoken::{
    Algorithm::{self, ES256, ES384, EdDSA, HS256, HS384, HS512, PS256, PS384, PS512, RS256, RS384, RS512},
    DecodingKey, crypto,
};
use serde_json::Value;

use super::{JwtFailure, Token};

/// The most keys of a set that are kept.
const MAX_KEYS: usize = 256;

/// A set of keys.
#[derive(Clone, Debug)]
pub struct Jwks(Vec<Key>);

/// A key.
#[derive(Clone, Debug)]
struct Key {
    /// Its name; empty when it has none.
    name: String,
    /// The algorithm that it is for; `None`: any that it fits.
    algorithm: Option<Algorithm>,
    /// The algorithms that it fits.
    fits: &'static [Algorithm],
    key: DecodingKey,
}

/// Why a text is no set of keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwksError {
    /// It is no JSON with a list of keys.
    #[error("no JSON with a list \"keys\"")]
    Json,
    /// None of its keys can be used.
    #[error("none of its keys is of a known kind")]
    NoKey,
}

impl Jwks {
    /// Reads a set; keys of kinds that are not known are left out.
    ///
    /// # Errors
    /// When nothing is left.
    pub fn read(text: &[u8]) -> Result<Self, JwksError> {
        let value: Value = serde_json::from_slice(text).map_err(|_| JwksError::Json)?;
        let keys = value.get("keys").and_then(Value::as_array).ok_or(JwksError::Json)?;
        let keys: Vec<_> = keys.iter().filter_map(Key::read).take(MAX_KEYS).collect();
        if keys.is_empty() { Err(JwksError::NoKey) } else { Ok(Self(keys)) }
    }

    /// Whether one of the keys signed a token.
    ///
    /// # Errors
    /// When none did, or none fits.
    pub fn verify(&self, token: &Token<'_>) -> Result<(), JwtFailure> {
        let mut failure = JwtFailure::NoKey;
        for key in &self.0 {
            let named = token.key.is_empty() || key.name.is_empty() || key.name == token.key;
            if !named || key.algorithm.is_some_and(|algorithm| algorithm != token.algorithm) {
                continue;
            }
            failure = JwtFailure::Signature;
            // A key that is used for an algorithm of another kind would be no secret.
            if key.fits.contains(&token.algorithm)
                && let Ok(true) = crypto::verify(token.signature, token.signed.as_bytes(), &key.key, token.algorithm)
            {
                return Ok(());
            }
        }
        Err(failure)
    }
}

impl Key {
    fn read(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        if value.get("use").is_some_and(|it| it.as_str() != Some("sig")) {
            return None;
        }
        let (key, fits) = match (text("kty")?, text("crv")) {
            ("RSA", _) => {
                let key = DecodingKey::from_rsa_components(text("n")?, text("e")?).ok()?;
                (key, &[RS256, RS384, RS512, PS256, PS384, PS512][..])
            }
            ("EC", Some(curve)) => {
                let fits = match curve {
                    "P-256" => &[ES256][..],
                    "P-384" => &[ES384],
                    _ => return None,
                };
                (DecodingKey::from_ec_components(text("x")?, text("y")?).ok()?, fits)
            }
            ("OKP", Some("Ed25519")) => (DecodingKey::from_ed_components(text("x")?).ok()?, &[EdDSA][..]),
            ("oct", _) => {
                use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
                let secret = URL_SAFE_NO_PAD.decode(text("k")?).ok().filter(|secret| !secret.is_empty())?;
                (DecodingKey::from_secret(&secret), &[HS256, HS384, HS512][..])
            }
            _ => return None,
        };
        let algorithm = match text("alg") {
            Some(name) => Some(Algorithm::from_str(name).ok()?),
            None => None,
        };
        let name = text("kid").unwrap_or_default().to_owned();
        Some(Self { name, algorithm, fits, key })
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use jsonwebtoken::{EncodingKey, Header, encode};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// A set with one key that is no secret to this test, and a token of it.
    fn secret(kid: Option<&str>, alg: Option<&str>) -> Jwks {
        let mut key = json!({ "kty": "oct", "k": URL_SAFE_NO_PAD.encode("secret") });
        kid.into_iter().for_each(|kid| key["kid"] = kid.into());
        alg.into_iter().for_each(|alg| key["alg"] = alg.into());
        Jwks::read(json!({ "keys": [{ "kty": "strange" }, key] }).to_string().as_bytes()).unwrap()
    }

    fn token(kid: Option<&str>, algorithm: Algorithm, key: &[u8]) -> String {
        let header = Header { kid: kid.map(str::to_owned), ..Header::new(algorithm) };
        encode(&header, &json!({ "iss": "i" }), &EncodingKey::from_secret(key)).unwrap()
    }

    #[test]
    fn a_key_that_fits_must_have_signed() {
        let verify = |keys: &Jwks, text: &str| keys.verify(&Token::read(text).unwrap());
        let good = token(Some("a"), HS256, b"secret");
        assert_eq!(verify(&secret(Some("a"), Some("HS256")), &good), Ok(()));
        assert_eq!(verify(&secret(None, None), &good), Ok(()));
        assert_eq!(verify(&secret(Some("b"), None), &good), Err(JwtFailure::NoKey));
        assert_eq!(verify(&secret(None, Some("HS384")), &good), Err(JwtFailure::NoKey));
        assert_eq!(verify(&secret(None, None), &token(None, HS512, b"secret")), Ok(()));
        assert_eq!(verify(&secret(None, None), &token(None, HS256, b"other")), Err(JwtFailure::Signature));
    }

    #[test]
    fn a_public_key_is_no_secret() {
        // The old trick: sign by HMAC with the text of a public key.
        let n = URL_SAFE_NO_PAD.encode([7; 256]);
        let keys = json!({ "keys": [{ "kty": "RSA", "n": n, "e": "AQAB" }] }).to_string();
        let keys = Jwks::read(keys.as_bytes()).unwrap();
        let forged = token(None, HS256, &[7; 256]);
        assert_eq!(keys.verify(&Token::read(&forged).unwrap()), Err(JwtFailure::Signature));
    }

    #[test]
    fn what_is_no_set_is_told() {
        assert_eq!(Jwks::read(b"{}").err(), Some(JwksError::Json));
        assert_eq!(Jwks::read(b"x").err(), Some(JwksError::Json));
        assert_eq!(Jwks::read(br#"{"keys":[{"kty":"x"}]}"#).err(), Some(JwksError::NoKey));
        let encryption = br#"{"keys":[{"kty":"oct","k":"AAAA","use":"enc"}]}"#;
        assert_eq!(Jwks::read(encryption).err(), Some(JwksError::NoKey));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            drop(Jwks::read(&bytes));
        }
    }
}
