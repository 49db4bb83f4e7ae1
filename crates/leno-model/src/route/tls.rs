//! TLS connections, passed on as they are: TLSRoute.

use serde::{Deserialize, Serialize};

use super::StreamRule;

/// Where some TLS connections go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsRule {
    /// The names (SNI) that they ask for, lower case: a host, or `*.` and the end of hosts; at least one.
    pub hostnames: Vec<String>,
    /// Where they go.
    pub rule: StreamRule,
}
