//! What happens to the requests of a rule.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Backend;
use crate::unit::Weight;

/// What happens to the requests of a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handling {
    /// Changes to the headers of requests.
    pub request_headers: HeaderChanges,
    /// Changes to the headers of answers.
    pub response_headers: HeaderChanges,
    /// What pages of other origins may do.
    pub cors: Option<Cors>,
    /// How requests are answered, or passed on.
    pub outcome: Outcome,
}

/// How requests are answered, or passed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Answered with this status and text.
    Refuse(u16, String),
    /// Answered with a redirect.
    Redirect(Redirect),
    /// Passed on.
    Forward(Box<Forward>),
}

impl Default for Outcome {
    fn default() -> Self {
        Self::Refuse(500, String::new())
    }
}

/// How requests are passed on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    /// Where they go, by weight.
    pub backends: Vec<HttpShare>,
    /// The host that backends are asked for; the request's own when not given.
    pub host: Option<String>,
    /// The path that backends are asked for; the request's own when not given.
    pub path: Option<PathRewrite>,
    /// Where copies go.
    pub mirrors: Vec<Mirror>,
    /// How long a request may take with all its tries; for ever when not given.
    pub timeout: Option<Duration>,
    /// How long one try may take.
    pub try_timeout: Option<Duration>,
    /// When they are sent again.
    pub retry: Option<Retry>,
    /// How the requests of one session are kept at one endpoint.
    pub session: Option<SessionPersistence>,
}

/// How the requests of one session are kept at one endpoint ([GEP-1619]), as long as it is there.
///
/// [GEP-1619]: https://gateway-api.sigs.k8s.io/geps/gep-1619/
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionPersistence {
    /// The name of the cookie or header.
    pub name: String,
    /// What tells the session.
    pub kind: SessionKind,
}

/// What tells a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SessionKind {
    /// A cookie: for so long, or until the browser is closed.
    Cookie(Option<Duration>),
    /// A header.
    Header,
}

/// A share of the requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpShare {
    /// Where it goes.
    pub backend: Backend,
    /// How much it is.
    pub weight: Weight,
    /// Changes to the headers of these requests alone.
    pub request_headers: HeaderChanges,
    /// Changes to the headers of the answers to these alone.
    pub response_headers: HeaderChanges,
}

/// Changes to headers; names are in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderChanges {
    /// Headers that are taken away.
    pub remove: Vec<String>,
    /// Headers that get this value and no other.
    pub set: Vec<(String, String)>,
    /// Values that are added to those there are.
    pub add: Vec<(String, String)>,
}

/// Another path. The query stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PathRewrite {
    /// This path.
    Full(String),
    /// This in place of the prefix that the rule's only match has; without a slash at its end.
    Prefix(String),
}

/// A redirect; what is not given stays as the request has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redirect {
    /// The status: 301, 302, 303, 307 or 308.
    pub status: u16,
    /// The scheme.
    pub scheme: Option<Scheme>,
    /// The host.
    pub host: Option<String>,
    /// The port. When it is not given, that of the scheme, or without a scheme the one that was called.
    pub port: Option<u16>,
    /// The path.
    pub path: Option<PathRewrite>,
}

/// A scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scheme {
    /// `http`
    Http,
    /// `https`
    Https,
}

impl Scheme {
    /// The port that need not be said.
    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Copies of requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mirror {
    /// Where they go.
    pub backend: Backend,
    /// How many of a million requests are copied.
    pub per_million: u32,
}

/// When requests are sent again: after a connection that failed, and after these statuses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// The statuses.
    pub statuses: Vec<u16>,
    /// How many more tries there are at most.
    pub attempts: u32,
    /// How long to wait before the first of them; it grows from one to the next. The proxy's default when not given.
    pub backoff: Option<Duration>,
}

/// What pages of other origins may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cors {
    /// The origins.
    pub origins: Vec<Origin>,
    /// Whether requests may carry credentials.
    pub credentials: bool,
    /// The methods, or `*`.
    pub methods: Vec<String>,
    /// The headers of requests, or `*`.
    pub headers: Vec<String>,
    /// The headers of answers that a page may read, or `*`.
    pub expose: Vec<String>,
    /// How long a browser may remember this.
    pub max_age: Duration,
}

/// An origin, or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// Any.
    Any,
    /// This one: `https://example.org`.
    Exact(String),
    /// Those whose text a regular expression (RE2) fits as a whole.
    Regex(String),
}
