//! Tokens of requests, and the keys that they are verified by.

use leno_engine::{
    jwt::{Jwks, Location, Token},
    request::SimpleRequest,
};

/// The first line is a token, the rest a set of keys: no token holds by keys that did not sign it, whatever both say, and
/// the same is read alike twice.
pub fn token(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == b'\n');
    let (first, rest) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let keys = Jwks::read(rest);
    assert_eq!(keys.is_ok(), Jwks::read(rest).is_ok());
    let Ok(text) = std::str::from_utf8(first) else { return };
    let token = Token::read(text);
    assert_eq!(token, Token::read(text));
    if let (Ok(token), Ok(keys)) = (&token, &keys) {
        let verified = keys.verify(token);
        assert_eq!(verified, keys.verify(token));
        // Another payload under the same signature is another token.
        if verified.is_ok()
            && let Some((head, signature)) = text.rsplit_once('.')
        {
            let forged = format!("{head}AAAA.{signature}");
            assert!(Token::read(&forged).is_err() || Token::read(&forged).is_ok_and(|it| keys.verify(&it).is_err()));
        }
    }
    let request = SimpleRequest::new("GET", "/", "a").with("authorization", text).with("cookie", text);
    for location in [Location::Header("authorization".into(), "Bearer ".into()), Location::Cookie("t".into())] {
        assert!(location.find(&request).is_none_or(|found| text.contains(&found)));
    }
}
