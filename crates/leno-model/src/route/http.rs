//! HTTP requests: HTTPRoute.

use serde::{Deserialize, Serialize};

use super::Handling;

/// What happens to some requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpRule {
    /// Its name in the route, or its number (from 0).
    pub name: String,
    /// The requests: those that fit one of these; at least one.
    pub matches: Vec<RequestMatch>,
    /// What happens.
    pub handling: Handling,
}

/// Some requests: a request fits when all that is given fits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RequestMatch {
    /// Its path, the query not counted.
    pub path: PathMatch,
    /// Its method, upper case; any when not given.
    pub method: Option<String>,
    /// Headers by name (lower case), each once.
    pub headers: Vec<(String, TextMatch)>,
    /// Parameters of the query by name, each once.
    pub query: Vec<(String, TextMatch)>,
}

impl Default for RequestMatch {
    /// Every request.
    fn default() -> Self {
        Self { path: PathMatch::Prefix(String::new()), method: None, headers: Vec::new(), query: Vec::new() }
    }
}

/// A path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PathMatch {
    /// This path.
    Exact(String),
    /// Paths that a regular expression (RE2) fits as a whole.
    Regex(String),
    /// This path and those below it; without a slash at its end, so that the empty one fits every path.
    Prefix(String),
}

/// A text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TextMatch {
    /// This text.
    Exact(String),
    /// Texts that a regular expression (RE2) fits as a whole.
    Regex(String),
}
