//! A request as decisions see it.

/// The head of a request, whatever it is stored as. Names of pseudo-headers are Envoy's: `:method`, `:path`,
/// `:authority`.
pub trait RequestHead {
    /// The method, e.g. `GET`.
    fn method(&self) -> &str;

    /// The path with its query, e.g. `/a?b=c`; `*` or empty where the target has none.
    fn target(&self) -> &str;

    /// The host that the request is for, with the port if it has one.
    fn authority(&self) -> &str;

    /// The values of a header (name in lower case), one for each time that it is there.
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]>;

    /// Every header with its value, in their order. Names are as they came: their case does not count.
    fn all(&self) -> impl Iterator<Item = (&[u8], &[u8])>;

    /// The first value of a header.
    fn header<'a>(&'a self, name: &'a str) -> Option<&'a [u8]> {
        self.values(name).next()
    }

    /// The path without its query.
    fn path(&self) -> &str {
        self.target().split(['?', '#']).next().unwrap_or_default()
    }

    /// Whether the path means another one to a server that resolves it: a segment is `.` or `..`, plain or
    /// percent-encoded, or there is a backslash, which some take for a slash. A rule on paths cannot judge such a request
    /// ([RFC 3986, 5.2.4]).
    ///
    /// [RFC 3986, 5.2.4]: https://www.rfc-editor.org/rfc/rfc3986#section-5.2.4
    fn path_is_ambiguous(&self) -> bool {
        let path = self.path().as_bytes();
        // Encoded slashes divide as well for servers that decode first.
        path.contains(&b'\\') || has_encoded(path, b"5c") || segments(path).any(is_dots)
    }

    /// The values of a header or pseudo-header.
    fn fields<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let pseudo = match name {
            ":method" => Some(self.method()),
            ":path" => Some(self.target()),
            ":authority" | "host" => Some(self.authority()),
            _ => None,
        };
        let values = pseudo.is_none().then(|| self.values(name));
        pseudo.map(str::as_bytes).into_iter().chain(values.into_iter().flatten())
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

/// The segments of a path, divided by slashes, plain or percent-encoded.
fn segments(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(path);
    std::iter::from_fn(move || {
        let now = rest?;
        let plain = now.iter().position(|byte| *byte == b'/').map(|at| (at, 1));
        let encoded = now.windows(3).position(|part| part.eq_ignore_ascii_case(b"%2f")).map(|at| (at, 3));
        match plain.into_iter().chain(encoded).min() {
            Some((at, length)) => {
                rest = now.get(at + length..);
                now.get(..at)
            }
            None => {
                rest = None;
                Some(now)
            }
        }
    })
}

/// Whether a segment is `.` or `..`, each dot plain or `%2e`; what comes after `;` is a parameter to some servers.
fn is_dots(segment: &[u8]) -> bool {
    let mut rest = segment.split(|byte| *byte == b';').next().unwrap_or_default();
    let mut dots = 0;
    while !rest.is_empty() {
        let dot = rest.strip_prefix(b".").or_else(|| {
            let encoded = rest.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(b"%2e"));
            encoded.then(|| rest.get(3..).unwrap_or_default())
        });
        let Some(after) = dot else { return false };
        rest = after;
        dots += 1;
    }
    (1..=2).contains(&dots)
}

fn has_encoded(path: &[u8], hex: &[u8; 2]) -> bool {
    path.windows(3)
        .any(|part| part.first() == Some(&b'%') && part.get(1..).is_some_and(|it| it.eq_ignore_ascii_case(hex)))
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

    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.headers.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_bytes())
    }

    fn all(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_mean_others_are_told() {
        for path in [
            "/a/../b",
            "/..",
            "/a/.",
            "/./a",
            "/a/%2e%2E/b",
            "/a/.%2e/b",
            "/a%2f..%2Fb",
            "/a/..;x/b",
            "/a\\..\\b",
            "/a%5c..",
            "..",
        ] {
            assert!(SimpleRequest::new("GET", path, "a").path_is_ambiguous(), "{path}");
        }
        for path in
            ["/", "/a", "/a/b.c/...", "/a//b", "/.well-known/x", "/a?x=/../", "/%2fa", "/..a/b..", "*", "", "/a;v=1"]
        {
            assert!(!SimpleRequest::new("GET", path, "a").path_is_ambiguous(), "{path}");
        }
    }

    #[test]
    fn fields_and_queries_are_found() {
        let request = SimpleRequest::new("GET", "/a/b?x=1&y&x=2#f", "host:80").with("X-A", "1").with("x-a", "2");
        assert_eq!(request.path(), "/a/b");
        assert_eq!(request.query("x"), Some("1"));
        assert_eq!(request.query("y"), Some(""));
        assert_eq!(request.query("z"), None);
        assert_eq!(request.header("x-a"), Some(&b"1"[..]));
        assert!(request.fields("x-a").eq([b"1", b"2"]));
        assert!(request.fields("host").eq([b"host:80"]));
        assert!(request.fields(":method").eq([b"GET"]));
        assert_eq!(request.fields("x-b").count(), 0);
    }
}
