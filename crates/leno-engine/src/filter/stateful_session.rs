//! Sessions that stay with one endpoint ([`envoy.filters.http.stateful_session`]): its address goes to the caller in a cookie
//! or header, and comes back with the next request.
//!
//! [`envoy.filters.http.stateful_session`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/stateful_session/v3/stateful_session.proto

use std::net::SocketAddr;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    request::RequestHead,
    route::{self, CookieAttributes, HeaderAppend, HeaderEdits, HeaderText, HeaderWrite},
};

/// How sessions are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatefulSession {
    /// Where the address stands.
    pub state: SessionState,
    /// Whether a request is refused whose endpoint is not there any more; else another is chosen.
    pub strict: bool,
}

/// Where an endpoint's address stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionState {
    /// In a cookie of this name ([`CookieBasedSessionState`]).
    ///
    /// [`CookieBasedSessionState`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/http/stateful_session/cookie/v3/cookie.proto
    Cookie(Box<str>, CookieAttributes),
    /// In a header of this name, in lower case ([`HeaderBasedSessionState`]).
    ///
    /// [`HeaderBasedSessionState`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/http/stateful_session/header/v3/header.proto
    Header(Box<str>),
}

/// The session of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The endpoint that it is with, as the caller says; `None`: with none yet.
    pub endpoint: Option<SocketAddr>,
    /// Whether no other will do.
    pub strict: bool,
    state: SessionState,
}

impl StatefulSession {
    /// The session of a request at `now` (seconds since the epoch); `None` where it is not for its path.
    pub fn of<R: RequestHead>(&self, request: &R, now: u64) -> Option<Session> {
        let endpoint = match &self.state {
            SessionState::Cookie(_, attributes) if !fits_path(&attributes.path, request.target()) => return None,
            SessionState::Cookie(name, _) => route::cookie(request, name).and_then(|value| from_cookie(value, now)),
            SessionState::Header(name) => request.header(name).and_then(|value| STANDARD.decode(value).ok()),
        };
        let endpoint = endpoint.and_then(|text| std::str::from_utf8(&text).ok()?.parse().ok());
        Some(Session { endpoint, strict: self.strict, state: self.state.clone() })
    }
}

impl Session {
    /// What the answer of an endpoint gets at `now`; `None` where the caller knows already that it is this one.
    #[must_use]
    pub fn tell(&self, endpoint: SocketAddr, now: u64) -> Option<HeaderEdits> {
        if self.endpoint == Some(endpoint) {
            return None;
        }
        let address = endpoint.to_string();
        let (name, value, append) = match &self.state {
            SessionState::Cookie(name, attributes) => {
                let expires = (!attributes.ttl.is_zero()).then(|| now.saturating_add(attributes.ttl.as_secs()));
                let value = STANDARD.encode(to_cookie(&address, expires));
                ("set-cookie".into(), attributes.set(name, &value), HeaderAppend::Append)
            }
            SessionState::Header(name) => (name.clone(), STANDARD.encode(&address), HeaderAppend::Overwrite),
        };
        let write = HeaderWrite { name, value: HeaderText::Plain(value.into()), append };
        Some(HeaderEdits { remove: Vec::new(), add: vec![write] })
    }
}

/// Whether a cookie of this path is for a target.
fn fits_path(path: &str, target: &str) -> bool {
    if path.is_empty() || path == "/" {
        return true;
    }
    let Some(rest) = target.strip_prefix(path) else { return false };
    path.ends_with('/') || rest.is_empty() || rest.starts_with(['/', '?', '#'])
}

/// The address in a cookie that has not expired: of a message of protobuf (`address` 1, `expires` 2), or, in what is none,
/// all of it.
fn from_cookie(value: &[u8], now: u64) -> Option<Vec<u8>> {
    let bytes = STANDARD.decode(value).ok()?;
    match message(&bytes) {
        Some((address, expires)) => {
            let lives = expires == 0 || expires >= now;
            (lives && !address.is_empty()).then(|| address.to_vec())
        }
        None => Some(bytes),
    }
}

fn to_cookie(address: &str, expires: Option<u64>) -> Vec<u8> {
    let mut bytes = vec![1 << 3 | 2];
    put_varint(&mut bytes, address.len() as u64);
    bytes.extend_from_slice(address.as_bytes());
    if let Some(expires) = expires {
        bytes.push(2 << 3);
        put_varint(&mut bytes, expires);
    }
    bytes
}

/// The two fields; `None` where it is no such message.
fn message(mut bytes: &[u8]) -> Option<(&[u8], u64)> {
    let (mut address, mut expires) = (&[][..], 0);
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        match (key >> 3, key & 7) {
            (0, _) => return None,
            (2, 0) => expires = varint(&mut bytes)?,
            (_, 0) => drop(varint(&mut bytes)?),
            (_, 1) => bytes = bytes.get(8..)?,
            (_, 5) => bytes = bytes.get(4..)?,
            (field, 2) => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                let (content, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                if field == 1 {
                    // A text of protobuf is UTF-8.
                    std::str::from_utf8(content).ok()?;
                    address = content;
                }
            }
            _ => return None,
        }
    }
    Some((address, expires))
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    bytes.push(value.to_le_bytes()[0]);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::request::SimpleRequest;

    const NOW: u64 = 1_800_000_000;

    fn sessions(path: &str, ttl: u64) -> StatefulSession {
        let attributes = CookieAttributes { ttl: Duration::from_secs(ttl), path: path.into(), others: Vec::new() };
        StatefulSession { state: SessionState::Cookie("s".into(), attributes), strict: false }
    }

    fn text(edits: &HeaderEdits) -> (&str, String) {
        let write = &edits.add[0];
        (&write.name, write.value.text(0, |_| None).unwrap())
    }

    #[test]
    fn a_cookie_brings_a_session_back_to_its_endpoint_until_it_expires() {
        let endpoint: SocketAddr = "10.0.0.1:80".parse().unwrap();
        let sessions = sessions("/", 60);
        let first = sessions.of(&SimpleRequest::new("GET", "/", "h"), NOW).unwrap();
        assert_eq!(first.endpoint, None);
        let edits = first.tell(endpoint, NOW).unwrap();
        let (name, cookie) = text(&edits);
        assert_eq!(name, "set-cookie");
        let (value, rest) = cookie.strip_prefix("s=\"").unwrap().split_once('"').unwrap();
        assert_eq!(rest, "; Max-Age=60; Path=/; HttpOnly");
        let again = |now| {
            let request = SimpleRequest::new("GET", "/", "h").with("cookie", &format!("a=b; s=\"{value}\""));
            sessions.of(&request, now).unwrap()
        };
        assert_eq!(again(NOW + 60).endpoint, Some(endpoint));
        assert_eq!(again(NOW + 60).tell(endpoint, NOW), None, "the caller knows it");
        assert!(again(NOW + 60).tell("10.0.0.2:80".parse().unwrap(), NOW).is_some());
        assert_eq!(again(NOW + 61).endpoint, None);
    }

    #[test]
    fn a_header_brings_a_session_back_too() {
        let sessions = StatefulSession { state: SessionState::Header("x-session".into()), strict: true };
        let request = |value: &str| SimpleRequest::new("GET", "/", "h").with("x-session", value);
        // Base64 of 1.2.3.4:80, as Envoy's documentation has it.
        let session = sessions.of(&request("MS4yLjMuNDo4MA=="), NOW).unwrap();
        assert_eq!((session.endpoint, session.strict), (Some("1.2.3.4:80".parse().unwrap()), true));
        for odd in ["", "1.2.3.4:80", "####", "bm9ib2R5"] {
            let session = sessions.of(&request(odd), NOW).unwrap();
            assert_eq!(session.endpoint, None, "{odd}");
            let edits = session.tell("1.2.3.4:80".parse().unwrap(), NOW).unwrap();
            assert_eq!(text(&edits), ("x-session", "MS4yLjMuNDo4MA==".into()));
        }
    }

    #[test]
    fn cookies_are_for_the_paths_below_theirs() {
        for (path, target, fits) in [
            ("", "/a", true),
            ("/", "/a", true),
            ("/a", "/a", true),
            ("/a", "/a/b", true),
            ("/a", "/a?b", true),
            ("/a", "/ab", false),
            ("/a/", "/a/b", true),
            ("/a/", "/a", false),
        ] {
            let session = sessions(path, 0).of(&SimpleRequest::new("GET", target, "h"), NOW);
            assert_eq!(session.is_some(), fits, "{path} {target}");
        }
    }

    #[test]
    fn odd_cookies_are_none() {
        for odd in
            [&b"\x0a\xff"[..], b"\x0a\x01", b"\x07", b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80", b"", b"\xff"]
        {
            let request = SimpleRequest::new("GET", "/", "h").with("cookie", &format!("s={}", STANDARD.encode(odd)));
            assert_eq!(sessions("/", 0).of(&request, NOW).unwrap().endpoint, None, "{odd:?}");
        }
        assert_eq!(message(&to_cookie("a", Some(300))), Some((&b"a"[..], 300)));
    }
}
