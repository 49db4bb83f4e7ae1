//! What requests are kept together by, so that the same callers come to the same endpoint ([`HashPolicy`]).
//!
//! [`HashPolicy`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#envoy-v3-api-msg-config-route-v3-routeaction-hashpolicy

use std::{borrow::Cow, net::IpAddr, time::Duration};

use crate::{matcher::Pattern, request::RequestHead};

/// Something of a request, and whether it is enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashPolicy {
    /// What.
    pub by: HashBy,
    /// Whether nothing after it counts, if the request has it.
    pub terminal: bool,
}

/// Something that requests have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashBy {
    /// The values of a header, each with what fits the expression replaced.
    Header(Box<str>, Option<(Pattern, Box<str>)>),
    /// A cookie; with attributes one is made where there is none.
    Cookie(Box<str>, Option<CookieAttributes>),
    /// The caller's address.
    SourceIp,
    /// A query parameter.
    Query(Box<str>),
}

/// How a cookie is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CookieAttributes {
    /// How long it lives; zero: as long as the browser is open.
    pub ttl: Duration,
    /// The paths that it is for; empty: not said.
    pub path: Box<str>,
    /// Others, with their values; those without one stand alone.
    pub others: Vec<CookieAttribute>,
}

/// The name of an attribute with its value.
pub type CookieAttribute = (Box<str>, Box<str>);

/// What the policies of a route make of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hashed {
    /// The hash; `None`: the request has nothing to be kept together by.
    pub hash: Option<u64>,
    /// Cookies that the caller is to be given: whole values of `set-cookie`.
    pub cookies: Vec<String>,
}

impl HashPolicy {
    /// Applies the policies of a route. `hash` hashes bytes with a seed, `fresh` makes the value of a new cookie.
    pub fn apply<R: RequestHead>(
        policies: &[Self],
        request: &R,
        source: IpAddr,
        hash: impl Fn(&[u8], u64) -> u64,
        mut fresh: impl FnMut() -> u64,
    ) -> Hashed {
        let mut hashed = Hashed::default();
        for policy in policies {
            let new = match &policy.by {
                HashBy::Header(name, rewrite) => of_header(request, name, rewrite.as_ref(), &hash),
                HashBy::Cookie(name, attributes) => match (cookie(request, name), attributes) {
                    (Some(value), _) => Some(hash(value, 0)),
                    (None, Some(attributes)) => {
                        let value = format!("{:016x}", fresh());
                        let new = hash(value.as_bytes(), 0);
                        hashed.cookies.push(attributes.set(name, &value));
                        Some(new)
                    }
                    (None, None) => None,
                },
                HashBy::SourceIp => Some(hash(source.to_canonical().to_string().as_bytes(), 0)),
                HashBy::Query(name) => request.query(name).map(|value| hash(value.as_bytes(), 0)),
            };
            if let Some(new) = new {
                // Rotated, so that two equal ones do not cancel each other out.
                hashed.hash = Some(hashed.hash.map_or(0, |old| old.rotate_left(1)) ^ new);
            }
            if policy.terminal && hashed.hash.is_some() {
                break;
            }
        }
        hashed
    }
}

/// The hash of all values of a header, in an order that does not hang on how they came.
fn of_header<R: RequestHead>(
    request: &R,
    name: &str,
    rewrite: Option<&(Pattern, Box<str>)>,
    hash: impl Fn(&[u8], u64) -> u64,
) -> Option<u64> {
    let rewritten = |value| -> Cow<'_, [u8]> {
        match (rewrite, std::str::from_utf8(value)) {
            (Some((pattern, to)), Ok(text)) => Cow::Owned(pattern.replace(text, to).into_bytes()),
            _ => Cow::Borrowed(value),
        }
    };
    let mut values: Vec<_> = request.fields(name).map(rewritten).collect();
    values.sort();
    let chain = |seed: Option<u64>, value: &Cow<'_, [u8]>| Some(hash(value, seed.unwrap_or(0)));
    values.iter().fold(None, chain)
}

/// The value of a cookie of a request.
pub(crate) fn cookie<'a, R: RequestHead>(request: &'a R, name: &str) -> Option<&'a [u8]> {
    let pairs = request.values("cookie").flat_map(|line| line.split(|byte| *byte == b';'));
    let mut values = pairs.filter_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        let (key, value) = (pair.get(..at)?.trim_ascii(), pair.get(at + 1..)?.trim_ascii());
        let quoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
        (key == name.as_bytes()).then_some(quoted.unwrap_or(value))
    });
    values.find(|value| !value.is_empty())
}

impl CookieAttributes {
    /// The value of `set-cookie`.
    pub(crate) fn set(&self, name: &str, value: &str) -> String {
        let mut cookie = format!("{name}=\"{value}\"");
        if !self.ttl.is_zero() {
            cookie += &format!("; Max-Age={}", self.ttl.as_secs());
        }
        if !self.path.is_empty() {
            cookie += &format!("; Path={}", self.path);
        }
        for (name, value) in &self.others {
            cookie += &if value.is_empty() { format!("; {name}") } else { format!("; {name}={value}") };
        }
        cookie + "; HttpOnly"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::SimpleRequest;

    fn hashed(policies: &[(HashBy, bool)], request: &SimpleRequest) -> Hashed {
        let policies: Vec<_> =
            policies.iter().map(|(by, terminal)| HashPolicy { by: by.clone(), terminal: *terminal }).collect();
        // The sum of the bytes, so that expectations can be read.
        let hash = |bytes: &[u8], seed| seed + bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
        HashPolicy::apply(&policies, request, IpAddr::from([127, 0, 0, 1]), hash, || 7)
    }

    #[test]
    fn what_the_request_has_is_combined() {
        let request = SimpleRequest::new("GET", "/?q=B", "h").with("x", "A").with("cookie", "a=1; b=\"C\"");
        let by = |name: &str| HashBy::Header(name.into(), None);
        let cookie = |name: &str| HashBy::Cookie(name.into(), None);
        for (policies, expected) in [
            (vec![], None),
            (vec![(by("x"), false)], Some(65)),
            (vec![(by("y"), false)], None),
            (vec![(HashBy::Query("q".into()), false)], Some(66)),
            (vec![(cookie("b"), false)], Some(67)),
            (vec![(cookie("c"), false)], None),
            (vec![(by("x"), false), (HashBy::Query("q".into()), false)], Some(65 << 1 ^ 66)),
            (vec![(by("x"), true), (HashBy::Query("q".into()), false)], Some(65)),
            (vec![(by("y"), true), (HashBy::Query("q".into()), false)], Some(66)),
            (vec![(by(":path"), false)], Some("/?q=B".bytes().map(u64::from).sum())),
            (vec![(HashBy::SourceIp, false)], Some("127.0.0.1".bytes().map(u64::from).sum())),
        ] {
            assert_eq!(hashed(&policies, &request).hash, expected, "{policies:?}");
        }
        let rewrite = Some((Pattern::new("A").unwrap(), "Z".into()));
        assert_eq!(hashed(&[(HashBy::Header("x".into(), rewrite), false)], &request).hash, Some(90));
    }

    #[test]
    fn callers_without_the_cookie_get_one() {
        let attributes = CookieAttributes {
            ttl: Duration::from_secs(60),
            path: "/shop".into(),
            others: vec![("SameSite".into(), "Strict".into()), ("Secure".into(), "".into())],
        };
        let by = [(HashBy::Cookie("c".into(), Some(attributes)), false)];
        let made = hashed(&by, &SimpleRequest::new("GET", "/", "h"));
        assert!(made.hash.is_some());
        let expected = "c=\"0000000000000007\"; Max-Age=60; Path=/shop; SameSite=Strict; Secure; HttpOnly";
        assert_eq!(made.cookies, [expected]);
        assert_eq!(hashed(&by, &SimpleRequest::new("GET", "/", "h").with("cookie", "c=1")).cookies, [""; 0]);
    }
}
