//! A kind of HTTP request, as Leno's own policies describe it.

/// A kind of HTTP request: one fits when all that is given fits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestMatch {
    /// Its path, the query not counted; any when `None`.
    pub path: Option<TextMatch>,
    /// Its method, upper case; any when empty.
    pub methods: Vec<String>,
    /// Its headers; all of them must fit.
    pub headers: Vec<HeaderMatch>,
}

/// A header of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderMatch {
    /// Its name, lower case.
    pub name: String,
    /// What its value must be; anything, as long as the header is there, when `None`.
    pub value: Option<TextMatch>,
}

/// What a text must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextMatch {
    /// This.
    Exact(String),
    /// Something that begins with this, which is not empty. Of a path: by whole segments, `/a` fits `/a/b` and not `/ab`.
    Prefix(String),
    /// Something that fits this expression (RE2) as a whole.
    Regex(String),
}
