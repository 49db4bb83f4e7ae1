//! A kind of HTTP request, as SMI `HTTPRouteGroup` v1alpha4 describes it.

use serde::{Deserialize, Serialize};

/// One entry of an `HTTPRouteGroup`: a request fits when **all** that is given fits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HttpMatch {
    /// The entry's name within its group.
    pub name: String,
    /// A regular expression (RE2 syntax) anchored at the start and the end of the path, query excluded; `None` fits any.
    pub path_regex: Option<String>,
    /// The methods that fit, upper case; empty fits any (`*` is written as empty).
    pub methods: Vec<String>,
    /// Header name (lower case) and a regular expression that its whole value must fit; all of them must.
    pub headers: Vec<(String, String)>,
}
