//! A service that is asked in HTTP: the request's head is repeated to it, and its status decides.

use serde_json::{Map, Value};

use super::{AuthzAllowed, AuthzAnswer, AuthzDenied};
use crate::{
    filter::HttpService,
    matcher::StringMatcher,
    route::{HeaderAppend, HeaderWrite},
};

/// The header of the service's answer that lists headers of the request that go.
const TO_REMOVE: &str = "x-envoy-auth-headers-to-remove";

/// A service that is asked in HTTP ([`HttpService`]).
///
/// [`HttpService`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/ext_authz/v3/ext_authz.proto#extensions-filters-http-ext-authz-v3-httpservice
#[derive(Clone, Debug, PartialEq)]
pub struct HttpAuthz {
    /// Where it is.
    pub service: HttpService,
    /// What path it is asked for.
    pub path: AuthzPath,
    /// Headers of each question, over those of the request.
    pub add: Vec<HeaderWrite>,
    /// Headers of its consent that the request gets, over its own.
    pub upstream: Vec<StringMatcher>,
    /// Headers of its consent that the request gets, beside its own.
    pub upstream_append: Vec<StringMatcher>,
    /// Headers of its refusal that the caller gets; empty: all.
    pub client: Vec<StringMatcher>,
    /// Headers of its consent that the caller gets.
    pub client_on_success: Vec<StringMatcher>,
    /// Headers of its consent that are kept for other filters.
    pub metadata: Vec<StringMatcher>,
}

/// What path the service is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthzPath {
    /// The request's, behind this; may be empty.
    Prefixed(Box<str>),
    /// This.
    Fixed(Box<str>),
}

impl HttpAuthz {
    /// The target of a question about a request to this one.
    #[must_use]
    pub fn target(&self, target: &str) -> String {
        match &self.path {
            AuthzPath::Prefixed(prefix) => format!("{prefix}{target}"),
            AuthzPath::Fixed(path) => path.to_string(),
        }
    }

    /// What an answer says. Names are in lower case.
    #[must_use]
    pub fn judge(&self, status: u16, headers: &[(String, Vec<u8>)], body: Vec<u8>) -> AuthzAnswer {
        if status >= 500 {
            return AuthzAnswer::Failed(None);
        }
        let those = |matchers: &[StringMatcher]| {
            let fits = |name: &str| matchers.iter().any(|matcher| matcher.matches(name.as_bytes()));
            let own = |name: &str| matches!(name, TO_REMOVE | "connection" | "transfer-encoding" | "content-length");
            headers.iter().filter(|(name, _)| fits(name) && !own(name)).cloned().collect::<Vec<_>>()
        };
        if status != 200 {
            let headers = match self.client.is_empty() {
                true => self.all(headers),
                false => {
                    let usual = ["www-authenticate", "location"].map(StringMatcher::exact);
                    those(&[&self.client[..], &usual].concat())
                }
            };
            let headers = headers.into_iter().map(|header| (header, HeaderAppend::Overwrite)).collect();
            return AuthzAnswer::Denied(AuthzDenied { status: Some(status), headers, body });
        }
        let lists = headers.iter().filter(|(name, _)| name == TO_REMOVE);
        let lists: Vec<_> = lists.map(|(_, value)| String::from_utf8_lossy(value)).collect();
        let names = lists.iter().flat_map(|list| list.split(',')).map(str::trim).filter(|name| !name.is_empty());
        let metadata = those(&self.metadata).into_iter();
        let metadata =
            metadata.map(|(name, value)| (name, Value::String(String::from_utf8_lossy(&value).into_owned())));
        AuthzAnswer::Allowed(Box::new(AuthzAllowed {
            set: those(&self.upstream),
            add: those(&self.upstream_append),
            remove: names.map(str::to_owned).collect(),
            response: those(&self.client_on_success).into_iter().map(|header| (header, HeaderAppend::Append)).collect(),
            metadata: metadata.collect::<Map<_, _>>(),
            ..AuthzAllowed::default()
        }))
    }

    /// All headers but those of the connection.
    fn all(&self, headers: &[(String, Vec<u8>)]) -> Vec<(String, Vec<u8>)> {
        let own = |name: &str| {
            matches!(name, TO_REMOVE | "connection" | "transfer-encoding" | "content-length" | "host" | "keep-alive")
        };
        headers.iter().filter(|(name, _)| !own(name)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authz() -> HttpAuthz {
        let some = |name: &str| vec![StringMatcher::exact(name)];
        HttpAuthz {
            service: HttpService { cluster: "c".into(), host: "h".into(), path: "/".into(), timeout: None },
            path: AuthzPath::Prefixed("/check".into()),
            add: vec![],
            upstream: some("x-user"),
            upstream_append: some("x-more"),
            client: vec![],
            client_on_success: some("x-back"),
            metadata: some("x-user"),
        }
    }

    fn headers() -> Vec<(String, Vec<u8>)> {
        let pairs = [("x-user", "me"), ("x-more", "1"), ("x-back", "2"), (TO_REMOVE, "a, b,"), ("content-length", "0")];
        pairs.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).into()
    }

    #[test]
    fn the_status_decides() {
        let authz = authz();
        assert_eq!(authz.target("/a?b"), "/check/a?b");
        assert_eq!(authz.judge(503, &headers(), vec![]), AuthzAnswer::Failed(None));
        let AuthzAnswer::Allowed(allowed) = authz.judge(200, &headers(), vec![]) else { panic!("200 lets pass") };
        assert_eq!((allowed.set.len(), allowed.add.len(), allowed.response.len()), (1, 1, 1));
        assert_eq!(allowed.remove, ["a", "b"]);
        assert_eq!(allowed.metadata.get("x-user"), Some(&Value::String("me".into())));
        for status in [201, 302, 401] {
            let AuthzAnswer::Denied(denied) = authz.judge(status, &headers(), b"no".to_vec()) else {
                panic!("{status}")
            };
            assert_eq!((denied.status, denied.headers.len(), &*denied.body), (Some(status), 3, &b"no"[..]));
        }
        let some = HttpAuthz { client: vec![StringMatcher::exact("x-back")], ..authz };
        let AuthzAnswer::Denied(denied) = some.judge(401, &headers(), vec![]) else { panic!("401") };
        assert_eq!(denied.headers.len(), 1);
    }
}
