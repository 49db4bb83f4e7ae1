//! What is made to fail or to take long, for tests: at the caller's sidecar.

use std::time::Duration;

use super::Share;
use crate::policy::HeaderMatch;

/// What is made to fail or to take long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is held up.
    pub delay: Option<Delay>,
    /// What is answered by the sidecar itself.
    pub abort: Option<Abort>,
    /// Only requests that have all of these headers.
    pub headers: Vec<HeaderMatch>,
    /// How many faults may be going on at the same time in one sidecar; as many as come when `None`.
    pub max_active: Option<u32>,
}

/// A delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delay {
    /// How long; above zero.
    pub duration: Duration,
    /// Of how many requests.
    pub share: Share,
}

/// An answer in the service's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abort {
    /// What is answered.
    pub failure: Failure,
    /// To how many requests.
    pub share: Share,
}

/// What is answered in the service's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// An HTTP status, 200 to 599.
    Http(u16),
    /// A gRPC status.
    Grpc(u32),
}
