//! Copies of requests.

use super::Share;
use crate::ServiceName;

/// Where copies of requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// The service.
    pub service: ServiceName,
    /// The number of its port.
    pub port: u16,
    /// How many requests are copied.
    pub share: Share,
}
