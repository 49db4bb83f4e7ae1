//! A request as decisions see it.

use std::borrow::Cow;

/// The head of a request, whatever it is stored as. Names of pseudo-headers are Envoy's: `:method`, `:path`,
/// `:authority`.
pub trait RequestHead {
    /// The method, e.g. `GET`.
    fn method(&self) -> &str;

    /// The path with its query, e.g. `/a?b=c`; `*` or empty where the target has none.
    fn target(&self) -> &str;

    /// The host that the request is for, with the port if it has one.
    fn authority(&self) -> &str;

    /// The value of a header (name in lower case); several of one name are joined by `,`, as Envoy does.
    fn header(&self, name: &str) -> Option<Cow<'_, [u8]>>;

    /// The path without its query.
    fn path(&self) -> &str {
        self.target().split(['?', '#']).next().unwrap_or_default()
    }

    /// A header or pseudo-header.
    fn field(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        match name {
            ":method" => Some(Cow::Borrowed(self.method().as_bytes())),
            ":path" => Some(Cow::Borrowed(self.target().as_bytes())),
            ":authority" | "host" => Some(Cow::Borrowed(self.authority().as_bytes())),
            _ => self.header(name),
        }
    }

    /// The value of the first query parameter of this name, undecoded.
    fn query(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target().split_once('?')?;
        let query = query.split('#').next().unwrap_or_default();
        query.split('&').find_map(|pair| match pair.split_once('=') {
            Some((key, value)) => (key == name).then_some(value),
            None => (pair == name).then_some(""),
        })
    }
}

/// A request made of texts; for tests and for explaining decisions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SimpleRequest {
    /// The method.
    pub method: String,
    /// The path with its query.
    pub target: String,
    /// The host.
    pub authority: String,
    /// Header names, in lower case, and values.
    pub headers: Vec<(String, String)>,
}

impl SimpleRequest {
    /// A request without headers.
    #[must_use]
    pub fn new(method: &str, target: &str, authority: &str) -> Self {
        Self { method: method.into(), target: target.into(), authority: authority.into(), headers: vec![] }
    }

    /// The same with one more header.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.into()));
        self
    }
}

impl RequestHead for SimpleRequest {
    fn method(&self) -> &str {
        &self.method
    }

    fn target(&self) -> &str {
        &self.target
    }

    fn authority(&self) -> &str {
        &self.authority
    }

    fn header(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        let mut found = self.headers.iter().filter(|(key, _)| key == name).map(|(_, value)| value);
        let first = found.next()?;
        Some(match found.next() {
            None => Cow::Borrowed(first.as_bytes()),
            Some(second) => {
                let joined = [first, second].into_iter().chain(found).map(String::as_str).collect::<Vec<_>>();
                Cow::Owned(joined.join(",").into_bytes())
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_queries_are_found() {
        let request = SimpleRequest::new("GET", "/a/b?x=1&y&x=2#f", "host:80").with("X-A", "1").with("x-a", "2");
        assert_eq!(request.path(), "/a/b");
        assert_eq!(request.query("x"), Some("1"));
        assert_eq!(request.query("y"), Some(""));
        assert_eq!(request.query("z"), None);
        assert_eq!(request.field("x-a").unwrap().as_ref(), b"1,2");
        assert_eq!(request.field("host").unwrap().as_ref(), b"host:80");
        assert_eq!(request.field(":method").unwrap().as_ref(), b"GET");
    }
}
