//! Workload tokens of the local runner.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use leno_ca::attest::{AttestError, Attested, local::LocalAttestor, token::TokenIssuer};
use leno_model::{ServiceAccountName, WorkloadName};
use tempfile::TempDir;

const HOUR: Duration = Duration::from_secs(3600);

pub(crate) fn sign(issuer: &TokenIssuer, now: SystemTime) -> String {
    let workload = WorkloadName::new("shop", "cart-1");
    issuer.sign(&workload, &ServiceAccountName::new("shop", "cart"), HOUR, now).unwrap()
}

/// An attestor that believes this issuer.
pub(crate) fn believing(issuer: &TokenIssuer) -> (LocalAttestor, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jwks.json");
    fs::write(&path, issuer.jwks().unwrap()).unwrap();
    (LocalAttestor::new(path), directory)
}

#[test]
fn a_token_tells_service_account_and_pod() {
    let issuer = TokenIssuer::generate().unwrap();
    let (attestor, _directory) = believing(&issuer);
    let expected = Attested { service_account: ServiceAccountName::new("shop", "cart"), pod: Some("cart-1".into()) };
    assert_eq!(attestor.attest(&sign(&issuer, SystemTime::now())).unwrap(), expected);
    assert!(!format!("{issuer:?}{}", issuer.jwks().unwrap()).contains("\"d\""), "the private part stays inside");
}

#[test]
fn expired_foreign_and_garbled_tokens_are_refused() {
    let (issuer, foreign) = (TokenIssuer::generate().unwrap(), TokenIssuer::generate().unwrap());
    let (attestor, _directory) = believing(&issuer);
    let refused = |token: &str| attestor.attest(token).unwrap_err();
    let old = refused(&sign(&issuer, SystemTime::now() - 2 * HOUR));
    assert_eq!(old.to_string(), "token is refused: it has expired");
    assert!(matches!(refused(&sign(&foreign, SystemTime::now())), AttestError::UnknownKey(_)));
    assert!(matches!(refused("nonsense"), AttestError::Malformed(_)));
    let good = sign(&issuer, SystemTime::now());
    let (signed, _) = good.rsplit_once('.').unwrap();
    let other = sign(&issuer, SystemTime::now());
    let (_, signature) = other.rsplit_once('.').unwrap();
    let forged = format!("{}.{signature}", signed.replace('.', ".e"));
    assert!(attestor.attest(&forged).is_err());
    assert!(refused(&format!("{signed}.{}", "A".repeat(86))).to_string().contains("signature is wrong"));
}

#[test]
fn tokens_for_others_of_others_and_for_no_service_account_are_refused() {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let key = jsonwebtoken::EncodingKey::from_ec_der(key.serialized_der());
    let mut public = jsonwebtoken::jwk::Jwk::from_encoding_key(&key, jsonwebtoken::Algorithm::ES256).unwrap();
    public.common.key_id = Some("k".into());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jwks.json");
    fs::write(&path, serde_json::to_string(&jsonwebtoken::jwk::JwkSet { keys: vec![public] }).unwrap()).unwrap();
    let attestor = LocalAttestor::new(path);
    let exp = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() + 60;
    let good = serde_json::json!({
        "iss": "leno-local", "aud": "leno-ca", "sub": "system:serviceaccount:shop:cart", "exp": exp, "iat": 0,
    });
    let verdict = |claims: &serde_json::Value| {
        let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES256);
        header.kid = Some("k".into());
        attestor.attest(&jsonwebtoken::encode(&header, claims, &key).unwrap())
    };
    assert_eq!(verdict(&good).unwrap().pod, None);
    for (claim, value) in [
        ("iss", "kubernetes"),
        ("aud", "other"),
        ("sub", "system:node:x"),
        ("sub", "system:serviceaccount:shop"),
        ("sub", "system:serviceaccount:shop:cart/../admin"),
        ("sub", "system:serviceaccount::cart"),
    ] {
        let mut claims = good.clone();
        claims[claim] = value.into();
        assert!(verdict(&claims).is_err(), "{claim} {value}");
    }
    for claim in ["iss", "aud", "sub", "exp"] {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(claim);
        assert!(verdict(&claims).is_err(), "without {claim}");
    }
    let mut claims = good.clone();
    claims["kubernetes.io"] = serde_json::json!({"namespace": "other", "serviceaccount": {"name": "cart"}});
    assert!(matches!(verdict(&claims), Err(AttestError::Contradiction)));
}

#[test]
fn the_keys_are_read_again_when_the_file_changes() {
    let (old, new) = (TokenIssuer::generate().unwrap(), TokenIssuer::generate().unwrap());
    let (attestor, directory) = believing(&old);
    attestor.attest(&sign(&old, SystemTime::now())).unwrap();
    let path = directory.path().join("jwks.json");
    let next = directory.path().join("next");
    fs::write(&next, new.jwks().unwrap()).unwrap();
    fs::rename(&next, &path).unwrap();
    attestor.attest(&sign(&new, SystemTime::now())).unwrap();
    assert!(attestor.attest(&sign(&old, SystemTime::now())).is_err());
    fs::write(&path, "no keys").unwrap();
    assert!(matches!(attestor.attest(&sign(&new, SystemTime::now())), Err(AttestError::KeySet { .. })));
    fs::remove_file(&path).unwrap();
    assert!(matches!(attestor.attest(&sign(&new, SystemTime::now())), Err(AttestError::Keys { .. })));
}
