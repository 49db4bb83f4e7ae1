//! The parts of a token ([RFC 7515, 7.1]).
//!
//! [RFC 7515, 7.1]: https://www.rfc-editor.org/rfc/rfc7515#section-7.1

use std::str::FromStr as _;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

use super::JwtFailure;

/// The most bytes that a token may have.
const MAX_BYTES: usize = 64 * 1024;

/// A token that was read and not verified.
#[derive(Clone, Debug, PartialEq)]
pub struct Token<'a> {
    /// What is signed: header and payload as they are written.
    pub(super) signed: &'a str,
    /// The signature as it is written.
    pub(super) signature: &'a str,
    /// The payload as it is written.
    pub(super) encoded: &'a str,
    /// How it is signed.
    pub(super) algorithm: Algorithm,
    /// By which key; empty when it is not said.
    pub(super) key: String,
    /// The header.
    pub(super) header: Map<String, Value>,
    /// The payload.
    pub(super) claims: Map<String, Value>,
    /// Who issued it; empty when it is not said.
    pub(super) issuer: String,
    /// Whom it speaks for; empty when it is not said.
    pub(super) subject: String,
    /// Whom it is for.
    pub(super) audiences: Vec<String>,
    /// Until when it is valid, and from when on, in seconds since the epoch; 0: not said.
    pub(super) until: u64,
    pub(super) from: u64,
}

impl<'a> Token<'a> {
    /// Reads a token.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &'a str) -> Result<Self, JwtFailure> {
        let mut parts = text.split('.');
        let (Some(header), Some(encoded), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(JwtFailure::Format);
        };
        if text.len() > MAX_BYTES {
            return Err(JwtFailure::Format);
        }
        let signed = text.get(..header.len() + 1 + encoded.len()).ok_or(JwtFailure::Format)?;
        let header = object(header)?;
        let algorithm = header.get("alg").and_then(Value::as_str).ok_or(JwtFailure::Json)?;
        let algorithm = Algorithm::from_str(algorithm).map_err(|_| JwtFailure::Algorithm)?;
        let key = string(&header, "kid")?;
        let claims = object(encoded)?;
        let (issuer, subject) = (string(&claims, "iss")?, string(&claims, "sub")?);
        let audiences = match claims.get("aud") {
            None => Vec::new(),
            Some(Value::String(one)) => vec![one.clone()],
            Some(Value::Array(many)) => {
                let texts = many.iter().map(|one| one.as_str().map(str::to_owned));
                texts.collect::<Option<_>>().ok_or(JwtFailure::Json)?
            }
            Some(_) => return Err(JwtFailure::Json),
        };
        let (until, from) = (time(&claims, "exp")?, time(&claims, "nbf")?);
        time(&claims, "iat")?;
        URL_SAFE_NO_PAD.decode(signature).map_err(|_| JwtFailure::Base64)?;
        Ok(Self { signed, signature, encoded, algorithm, key, header, claims, issuer, subject, audiences, until, from })
    }
}

fn object(text: &str) -> Result<Map<String, Value>, JwtFailure> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| JwtFailure::Base64)?;
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) | Err(_) => Err(JwtFailure::Json),
    }
}

/// A text; empty when it is not there.
fn string(fields: &Map<String, Value>, name: &str) -> Result<String, JwtFailure> {
    match fields.get(name) {
        None => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(JwtFailure::Json),
    }
}

/// A time in seconds; 0 when it is not there.
fn time(fields: &Map<String, Value>, name: &str) -> Result<u64, JwtFailure> {
    let Some(value) = fields.get(name) else { return Ok(0) };
    if let Some(seconds) = value.as_u64() {
        return Ok(seconds);
    }
    // Some write it with a fraction.
    let number = value.as_f64().filter(|number| (0.0..9e15).contains(number)).ok_or(JwtFailure::Json)?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in the range that was just held to")]
    let seconds = number as u64;
    Ok(seconds)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(header: &str, payload: &str) -> String {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.{}", encode(header), encode(payload), encode("signature"))
    }

    #[test]
    fn a_token_says_who_issued_it_and_for_how_long() {
        let text =
            token(r#"{"alg":"RS256","kid":"k"}"#, r#"{"iss":"i","sub":"s","aud":["a","b"],"exp":5.5,"nbf":3,"iat":1}"#);
        let token = Token::read(&text).unwrap();
        assert_eq!((token.issuer.as_str(), token.subject.as_str(), token.key.as_str()), ("i", "s", "k"));
        assert_eq!((token.audiences.as_slice(), token.until, token.from), (&["a".to_owned(), "b".into()][..], 5, 3));
        assert!(text.starts_with(token.signed));
    }

    #[test]
    fn what_is_no_token_is_told() {
        for (text, failure) in [
            ("a.b".to_owned(), JwtFailure::Format),
            ("a.b.c.d".into(), JwtFailure::Format),
            (token("{}", "{}"), JwtFailure::Json),
            (token(r#"{"alg":"none"}"#, "{}"), JwtFailure::Algorithm),
            (token(r#"{"alg":"RS256","kid":1}"#, "{}"), JwtFailure::Json),
            (token(r#"{"alg":"RS256"}"#, "[]"), JwtFailure::Json),
            (token(r#"{"alg":"RS256"}"#, r#"{"exp":-1}"#), JwtFailure::Json),
            (token(r#"{"alg":"RS256"}"#, r#"{"aud":[1]}"#), JwtFailure::Json),
            (token(r#"{"alg":"RS256"}"#, "{}") + "=", JwtFailure::Base64),
        ] {
            assert_eq!(Token::read(&text), Err(failure), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[A-Za-z0-9_.=-]{0,60}", header in ".{0,30}", payload in ".{0,30}") {
            prop_assert!(Token::read(&text).is_err());
            drop(Token::read(&token(&header, &payload)));
        }
    }
}
