//! Connections: TCPRoute.

use serde::{Deserialize, Serialize};

use super::Share;

/// Where connections go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamRule {
    /// Its name in the route, or its number (from 0).
    pub name: String,
    /// Where they go, by weight.
    pub shares: Vec<Share>,
}
