//! Whose tokens are taken, and what becomes of those that hold.

use std::{sync::Arc, time::Duration};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use serde_json::Value;

use super::{Jwks, JwtFailure, Location, Token};
use crate::{filter::HttpService, matcher::StringMatcher, resilience::Backoff};

/// An issuer of tokens.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Its name; requirements refer to it.
    pub name: Box<str>,
    /// Who signs; empty: anybody.
    pub issuer: Box<str>,
    /// Whom tokens must be for, one of these; empty: anybody.
    pub audiences: Vec<Box<str>>,
    /// Whom they may speak for.
    pub subjects: Option<StringMatcher>,
    /// Whether they must end.
    pub must_expire: bool,
    /// How long they may be valid from now on.
    pub max_lifetime: Option<Duration>,
    /// How far clocks may differ.
    pub skew: Duration,
    /// What they are verified by.
    pub keys: Keys,
    /// Where they stand.
    pub locations: Vec<Location>,
    /// Whether the request keeps its token.
    pub forwards: bool,
    /// The header that gets the payload, in lower case, and whether it is padded.
    pub payload_header: Option<(Box<str>, bool)>,
    /// Headers that get claims.
    pub claims: Vec<ClaimToHeader>,
    /// Under which key other filters find the payload.
    pub payload_metadata: Option<Box<str>>,
    /// Under which key they find the header.
    pub header_metadata: Option<Box<str>>,
    /// Under which key they find why a token does not hold.
    pub failure_metadata: Option<Box<str>>,
    /// Claims of the payload in metadata that are lists of words.
    pub word_lists: Vec<Box<str>>,
    /// Whether the route is chosen anew when claims became headers or metadata.
    pub reroutes: bool,
}

/// A claim that becomes a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimToHeader {
    /// The header, in lower case.
    pub header: Box<str>,
    /// The keys on the way to the claim.
    pub path: Vec<Box<str>>,
}

/// Where keys are.
#[derive(Clone, Debug)]
pub enum Keys {
    /// Here.
    Local(Arc<Jwks>),
    /// At a server.
    Remote(Arc<RemoteKeys>),
}

/// Keys at a server.
#[derive(Debug)]
pub struct RemoteKeys {
    /// Where.
    pub service: HttpService,
    /// How long they are used.
    pub lifetime: Duration,
    /// Whether they are fetched before anybody needs them, and how soon again after a failure.
    pub ahead: Option<Duration>,
    /// How often fetching is tried again.
    pub retries: u32,
    /// How long it waits before.
    pub backoff: Backoff,
}

impl PartialEq for Provider {
    /// Never: keys have no equality. Two configurations are two.
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Provider {
    /// Whether a token is what this issuer signs, for those who are meant (`audiences`: instead of its own), and of now,
    /// in seconds since the epoch. The signature is another matter.
    pub(super) fn check(&self, token: &Token<'_>, audiences: Option<&[Box<str>]>, now: u64) -> Result<(), JwtFailure> {
        if !self.issuer.is_empty() && *self.issuer != *token.issuer {
            return Err(JwtFailure::Issuer);
        }
        if self.subjects.as_ref().is_some_and(|subjects| !subjects.matches(token.subject.as_bytes())) {
            return Err(JwtFailure::Subject);
        }
        let skew = self.skew.as_secs();
        if token.from > 0 && now.saturating_add(skew) < token.from {
            return Err(JwtFailure::NotYet);
        }
        if token.until > 0 && now > token.until.saturating_add(skew) {
            return Err(JwtFailure::Expired);
        }
        let too_long = |most: Duration| token.until == 0 || token.until.saturating_sub(now) > most.as_secs();
        if self.max_lifetime.map_or(self.must_expire && token.until == 0, too_long) {
            return Err(JwtFailure::Lifetime);
        }
        let wanted = audiences.unwrap_or(&self.audiences);
        let fits = |wanted: &str| token.audiences.iter().any(|audience| plain(audience) == plain(wanted));
        if !wanted.is_empty() && !wanted.iter().any(|wanted| fits(wanted)) {
            return Err(JwtFailure::Audience);
        }
        Ok(())
    }

    /// The cluster that its keys come over, if they are at a server.
    pub(crate) fn cluster(&self) -> Option<&str> {
        match &self.keys {
            Keys::Local(_) => None,
            Keys::Remote(remote) => Some(&remote.service.cluster),
        }
    }

    /// Headers that a caller may not send itself.
    pub(super) fn own_headers(&self) -> impl Iterator<Item = &str> {
        let payload = self.payload_header.as_ref().map(|(name, _)| &**name);
        payload.into_iter().chain(self.claims.iter().map(|claim| &*claim.header))
    }

    /// The headers that a token becomes.
    pub(super) fn headers(&self, token: &Token<'_>) -> Vec<(Box<str>, String)> {
        let payload = self.payload_header.as_ref().map(|(name, padded)| {
            let value = if *padded { pad(token.encoded) } else { token.encoded.to_owned() };
            (name.clone(), value)
        });
        let claims = self.claims.iter().filter_map(|claim| {
            let (first, rest) = claim.path.split_first()?;
            let value = token.claims.get(&**first)?;
            let value = rest.iter().try_fold(value, |value, key| value.as_object()?.get(&**key))?;
            Some((claim.header.clone(), text(value)?))
        });
        payload.into_iter().chain(claims).collect()
    }

    /// The payload as other filters find it.
    pub(super) fn payload(&self, token: &Token<'_>) -> Value {
        let mut claims = token.claims.clone();
        for name in &self.word_lists {
            if let Some(claim) = claims.get_mut(&**name)
                && let Some(words) = claim.as_str()
            {
                *claim = Value::Array(words.split(' ').filter(|word| !word.is_empty()).map(Value::from).collect());
            }
        }
        Value::Object(claims)
    }
}

/// A claim as a header has it; lists and objects are encoded.
fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::Null => return None,
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(_) | Value::Object(_) => STANDARD.encode(value.to_string()),
    };
    text.bytes().all(|byte| byte == b'\t' || byte >= b' ' && byte != 0x7f).then_some(text)
}

/// With the `=` that make it a multiple of four.
fn pad(encoded: &str) -> String {
    let mut padded = encoded.to_owned();
    while !padded.len().is_multiple_of(4) {
        padded.push('=');
    }
    debug_assert!(URL_SAFE.decode(&padded).is_ok(), "it was decoded before");
    padded
}

/// An audience without scheme and last slash, which do not count.
fn plain(audience: &str) -> &str {
    let rest = audience.strip_prefix("https://").or_else(|| audience.strip_prefix("http://")).unwrap_or(audience);
    rest.strip_suffix('/').unwrap_or(rest)
}
