//! Where a token stands in a request.

use crate::{query::QueryParameters, request::RequestHead};

/// A place in a request where a token may stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// In a header (name in lower case), behind a prefix that may be empty.
    Header(Box<str>, Box<str>),
    /// In a query parameter.
    Parameter(Box<str>),
    /// In a cookie.
    Cookie(Box<str>),
}

impl Location {
    /// The token that stands there.
    pub fn find<R: RequestHead>(&self, request: &R) -> Option<String> {
        match self {
            Self::Header(name, prefix) => {
                let values: Vec<_> = request.values(name).map(String::from_utf8_lossy).collect();
                let value = (!values.is_empty()).then(|| values.join(","))?;
                if prefix.is_empty() {
                    return Some(value);
                }
                let after = value.find(&**prefix)? + prefix.len();
                Some(token(value.get(after..)?).to_owned())
            }
            Self::Parameter(name) => request.query(name).map(str::to_owned),
            Self::Cookie(name) => {
                let cookies = request.values("cookie").flat_map(|value| value.split(|byte| *byte == b';'));
                let mut pairs = cookies.filter_map(|pair| std::str::from_utf8(pair).ok()?.trim().split_once('='));
                let (_, value) = pairs.find(|(key, _)| *key == &**name)?;
                Some(value.trim_matches('"').to_owned())
            }
        }
    }

    /// The target without the token; `None` when it does not stand there.
    pub(super) fn stripped(&self, target: &str) -> Option<String> {
        let Self::Parameter(name) = self else { return None };
        let mut query = QueryParameters::of(target);
        query.has(name).then(|| {
            query.remove(name);
            query.target()
        })
    }
}

/// The first run of characters that a token may have.
fn token(text: &str) -> &str {
    let legal = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.' | '=');
    let Some(start) = text.find(legal) else { return text };
    let rest = text.get(start..).unwrap_or_default();
    rest.find(|character| !legal(character)).and_then(|end| rest.get(..end)).unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::SimpleRequest;

    #[test]
    fn tokens_are_found_where_they_stand() {
        let request = SimpleRequest::new("GET", "/a?x=1&t=q.q.q", "a")
            .with("authorization", "Bearer a.b.c, more")
            .with("x-jwt", "d.e.f")
            .with("cookie", "one=1; t=\"g.h.i\"; two=2");
        let find = |location: Location| location.find(&request);
        let header = |name: &str, prefix: &str| Location::Header(name.into(), prefix.into());
        assert_eq!(find(header("authorization", "Bearer ")).as_deref(), Some("a.b.c"));
        assert_eq!(find(header("authorization", "Basic ")), None);
        assert_eq!(find(header("x-jwt", "")).as_deref(), Some("d.e.f"));
        assert_eq!(find(header("x-none", "")), None);
        assert_eq!(find(Location::Parameter("t".into())).as_deref(), Some("q.q.q"));
        assert_eq!(find(Location::Cookie("t".into())).as_deref(), Some("g.h.i"));
        assert_eq!(Location::Parameter("t".into()).stripped("/a?x=1&t=2").as_deref(), Some("/a?x=1"));
        assert_eq!(Location::Parameter("y".into()).stripped("/a?x=1"), None);
    }
}
