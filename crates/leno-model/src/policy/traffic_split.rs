//! Traffic to one service shared out among others: SMI `TrafficSplit` v1alpha4, resolved.

use serde::{Deserialize, Serialize};

use super::HttpMatch;
use crate::{ObjectRef, ServiceName, unit::Weight};

/// Requests to `root` go to `backends` by weight. Requests that fit none of `matches` go to the root itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficSplit {
    /// The object that it comes from.
    pub origin: ObjectRef,
    /// The service that clients call.
    pub root: ServiceName,
    /// Where its requests go; a backend may be the root itself, or not exist yet.
    pub backends: Vec<Backend>,
    /// Which HTTP requests are split; empty splits all (and all connections, where the payload is bytes).
    pub matches: Vec<HttpMatch>,
}

/// One weighted target of a split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backend {
    /// The service; its port of the same number as the root's is used, and without one it gets nothing.
    pub service: ServiceName,
    /// Its share.
    pub weight: Weight,
}
