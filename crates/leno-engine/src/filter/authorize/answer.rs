//! What the service says, and what it does to the request.

use serde_json::{Map, Value};

use crate::{
    query::QueryParameters,
    request::RequestHead,
    route::{HeaderAppend, HeaderEdits, HeaderText, HeaderWrite},
};

/// What the service says.
#[derive(Clone, Debug, PartialEq)]
pub enum AuthzAnswer {
    /// The request goes on, changed so.
    Allowed(Box<AuthzAllowed>),
    /// It is answered so.
    Denied(AuthzDenied),
    /// The service failed; it may say how the caller is answered, if at all.
    Failed(Option<AuthzDenied>),
}

/// A header with a value that the service asked for.
pub type Header = (String, Vec<u8>);

/// What the service changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AuthzAllowed {
    /// Headers of the request that are replaced, or added.
    pub set: Vec<Header>,
    /// Headers of the request that are added beside those that are there.
    pub add: Vec<Header>,
    /// Headers of the request that get more: with a comma, and only where they are there.
    pub append: Vec<Header>,
    /// Headers of the request that go.
    pub remove: Vec<String>,
    /// Query parameters that are replaced, or added.
    pub query_set: Vec<(String, String)>,
    /// Query parameters that go.
    pub query_remove: Vec<String>,
    /// Headers of the answer.
    pub response: Vec<(Header, HeaderAppend)>,
    /// What it found out.
    pub metadata: Map<String, Value>,
}

/// What a refused caller is answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthzDenied {
    /// The status; `None`: the usual one.
    pub status: Option<u16>,
    /// The headers; appended ones stand beside others of the name.
    pub headers: Vec<(Header, HeaderAppend)>,
    /// The body.
    pub body: Vec<u8>,
}

/// A change that cannot be made: what it says is no header or parameter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the service asked for an illegal change: {0:?}")]
pub struct InvalidMutation(pub String);

/// What becomes of a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AuthzChanges {
    /// Changes to its headers, in their order.
    pub request: Vec<HeaderEdits>,
    /// Changes to the answer's headers.
    pub response: HeaderEdits,
    /// Its new target, if it has one.
    pub target: Option<String>,
    /// Its new host, if it has one.
    pub host: Option<String>,
    /// Whether a header of the request was set, so that another route may fit.
    pub reroutes: bool,
}

impl AuthzAllowed {
    /// What it does to a request. What is illegal is left out, unless `validates`.
    ///
    /// # Errors
    /// The first illegal change, if they count.
    pub fn changes<R: RequestHead>(&self, request: &R, validates: bool) -> Result<AuthzChanges, InvalidMutation> {
        let mut changes = AuthzChanges::default();
        let mut edits = HeaderEdits::default();
        let headers = self.set.iter().map(|header| (header, HeaderAppend::Overwrite));
        let headers = headers.chain(self.add.iter().map(|header| (header, HeaderAppend::Append)));
        for (header, append) in headers {
            let Some((name, value)) = legal(header, validates)? else { continue };
            changes.reroutes = true;
            match name.as_str() {
                ":path" => changes.target = Some(value),
                ":authority" | "host" => changes.host = Some(value),
                _ => edits.add.push(write(&name, value, append)),
            }
        }
        for header in &self.append {
            let Some((name, value)) = legal(header, validates)? else { continue };
            let set = edits.add.iter().rev().find(|write| *write.name == *name).map(plain);
            let there = set.or_else(|| {
                let values: Vec<_> = request.values(&name).map(String::from_utf8_lossy).collect();
                (!values.is_empty()).then(|| values.join(","))
            });
            if let Some(there) = there {
                changes.reroutes = true;
                edits.add.push(write(&name, format!("{there},{value}"), HeaderAppend::Overwrite));
            }
        }
        changes.request.push(edits);
        // What the request cannot be without stays.
        let removable = |name: &&String| is_name(name) && !name.eq_ignore_ascii_case("host");
        let remove: Vec<Box<str>> =
            self.remove.iter().filter(removable).map(|name| name.to_ascii_lowercase().into()).collect();
        changes.reroutes |= !remove.is_empty();
        changes.request.push(HeaderEdits { remove, add: Vec::new() });
        if !self.query_set.is_empty() || !self.query_remove.is_empty() {
            let target = changes.target.take().unwrap_or_else(|| request.target().to_owned());
            changes.target = Some(self.query(&target, validates)?).filter(|new| *new != request.target());
        }
        for (header, append) in &self.response {
            if let Some((name, value)) = legal(header, validates)? {
                changes.response.add.push(write(&name, value, *append));
            }
        }
        Ok(changes)
    }

    fn query(&self, target: &str, validates: bool) -> Result<String, InvalidMutation> {
        let mut query = QueryParameters::of(target);
        for (name, value) in &self.query_set {
            let is_legal = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && !b"#&".contains(&byte));
            if name.is_empty() || !is_legal(name) || !is_legal(value) || name.contains('=') {
                illegal(name, validates)?;
                continue;
            }
            query.set(name, value);
        }
        for name in &self.query_remove {
            query.remove(name);
        }
        Ok(query.target())
    }
}

impl AuthzDenied {
    /// Its headers, as far as they are legal: one that is replaced may come several times all the same, as cookies do.
    ///
    /// # Errors
    /// The first illegal one, if they count.
    pub fn headers(&self, validates: bool) -> Result<HeaderEdits, InvalidMutation> {
        let mut edits = HeaderEdits::default();
        for (header, append) in &self.headers {
            let Some((name, value)) = legal(header, validates)? else { continue };
            if *append == HeaderAppend::Overwrite {
                edits.remove.push(name.as_str().into());
                edits.add.push(write(&name, value, HeaderAppend::Append));
            } else {
                edits.add.push(write(&name, value, *append));
            }
        }
        Ok(edits)
    }
}

/// Name and value of a header that can be written.
type Legal = Option<(String, String)>;

/// A header that can be written; pseudo-headers that mean something are legal, too.
fn legal((name, value): &Header, validates: bool) -> Result<Legal, InvalidMutation> {
    let text = String::from_utf8_lossy(value);
    let known = matches!(name.as_str(), ":path" | ":authority");
    let clean = text.bytes().all(|byte| byte == b'\t' || byte >= b' ' && byte != 0x7f);
    if !(known || is_name(name)) || !clean || known && (text.is_empty() || text.contains(' ')) {
        illegal(name, validates)?;
        return Ok(None);
    }
    Ok(Some((name.to_ascii_lowercase(), text.into_owned())))
}

fn illegal(name: &str, validates: bool) -> Result<(), InvalidMutation> {
    if validates { Err(InvalidMutation(name.to_owned())) } else { Ok(()) }
}

fn is_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(legal)
}

fn write(name: &str, value: String, append: HeaderAppend) -> HeaderWrite {
    HeaderWrite { name: name.into(), value: HeaderText::Plain(value.into()), append }
}

fn plain(write: &HeaderWrite) -> String {
    write.value.text(0, |_| None).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::request::SimpleRequest;

    fn headers(pairs: &[(&str, &str)]) -> Vec<Header> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()
    }

    #[test]
    fn changes_are_made_in_their_order() {
        let request = SimpleRequest::new("GET", "/a?b=1&c=2", "host").with("x-there", "1").with("x-gone", "1");
        let allowed = AuthzAllowed {
            set: headers(&[("x-set", "a"), (":path", "/new?b=1")]),
            add: headers(&[("x-add", "b")]),
            append: headers(&[("x-there", "2"), ("x-set", "c"), ("x-not-there", "3")]),
            remove: vec!["X-Gone".into(), "host".into(), ":path".into()],
            query_set: vec![("d".into(), "4".into())],
            query_remove: vec!["b".into()],
            ..AuthzAllowed::default()
        };
        let changes = allowed.changes(&request, true).unwrap();
        assert_eq!(changes.target.as_deref(), Some("/new?d=4"));
        let added = changes.request[0].add.iter().map(|write| format!("{}={}", write.name, plain(write)));
        assert_eq!(added.collect::<Vec<_>>(), ["x-set=a", "x-add=b", "x-there=1,2", "x-set=a,c"]);
        assert_eq!(changes.request[1].remove, ["x-gone".into()]);
        assert!(changes.reroutes);
    }

    #[test]
    fn illegal_changes_are_left_out_or_count() {
        let request = SimpleRequest::new("GET", "/", "host");
        for allowed in [
            AuthzAllowed { set: headers(&[("a b", "1")]), ..AuthzAllowed::default() },
            AuthzAllowed { set: headers(&[("a", "1\r\nb: 2")]), ..AuthzAllowed::default() },
            AuthzAllowed { set: headers(&[(":method", "PUT")]), ..AuthzAllowed::default() },
            AuthzAllowed { query_set: vec![("a".into(), "1&b=2".into())], ..AuthzAllowed::default() },
        ] {
            assert!(allowed.changes(&request, true).is_err(), "{allowed:?}");
            let changes = allowed.changes(&request, false).unwrap();
            assert!(changes.request[0].is_empty() && changes.target.is_none(), "{allowed:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_written_breaks_a_head(name in ".{0,8}", value in prop::collection::vec(any::<u8>(), 0..20)) {
            let request = SimpleRequest::new("GET", "/", "host");
            let allowed = AuthzAllowed { set: vec![(name.clone(), value.clone())], ..AuthzAllowed::default() };
            let changes = allowed.changes(&request, false).unwrap();
            for write in &changes.request[0].add {
                prop_assert!(!write.name.contains([' ', '\r', '\n', ':']));
                prop_assert!(!plain(write).contains(['\r', '\n', '\0']));
            }
        }
    }
}
