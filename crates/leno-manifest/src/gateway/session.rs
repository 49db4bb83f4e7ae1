//! Sessions that stay with one endpoint (GEP-1619).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the requests of one session are kept together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionPersistence {
    /// The name of the cookie or header.
    pub session_name: Option<String>,
    /// What tells the session.
    #[serde(rename = "type")]
    pub kind: Option<SessionType>,
    /// How long a session lasts.
    pub absolute_timeout: Option<String>,
    /// How long a session lasts that is not used.
    pub idle_timeout: Option<String>,
    /// More of the cookie.
    pub cookie_config: Option<CookieConfig>,
}

/// What tells a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SessionType {
    /// A cookie.
    Cookie,
    /// A header.
    Header,
}

/// More of a cookie.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CookieConfig {
    /// How long a browser keeps it.
    pub lifetime_type: Option<CookieLifetime>,
}

/// How long a browser keeps a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CookieLifetime {
    /// As long as the session lasts.
    Permanent,
    /// Until it is closed.
    Session,
}
