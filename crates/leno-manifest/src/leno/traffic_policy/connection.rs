//! How much is open at the same time.

use leno_model::policy::traffic::ConnectionLimits;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much one sidecar has open to a service port at the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Connections {
    /// The most connections; `65536` when not given.
    pub max_connections: Option<u32>,
    /// The most HTTP/1.1 requests that wait for a connection; `65536` when not given.
    pub max_pending_requests: Option<u32>,
    /// The most requests under way; `65536` when not given.
    pub max_requests: Option<u32>,
    /// After how many requests a connection is not used any more, from 1 up; never when not given.
    pub max_requests_per_connection: Option<u32>,
}

impl Connections {
    /// What they mean.
    #[must_use]
    pub fn to_model(&self) -> ConnectionLimits {
        ConnectionLimits {
            max_connections: self.max_connections,
            max_pending_requests: self.max_pending_requests,
            max_requests: self.max_requests,
            max_requests_per_connection: self.max_requests_per_connection,
        }
    }
}
