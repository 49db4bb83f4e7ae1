//! The body of a request that waits to be sent on: filters may want to see it first.

use std::time::Duration;

use super::reply::Reply;
use crate::error::{ErrorKind, ProxyError};

/// A body that is held back. What was read is sent on like the rest.
pub(super) trait Incoming {
    /// Reads on until there are so many bytes of content, or all.
    ///
    /// # Errors
    /// Why no more will come.
    async fn hold(&mut self, most: usize, idle: Duration) -> Result<(), Unheld>;

    /// The first so many bytes of its content, as far as they are there.
    fn content(&self, most: usize) -> Vec<u8>;

    /// How many bytes of its content are there.
    fn length(&self) -> u64;

    /// Whether that is all.
    fn is_complete(&self) -> bool;
}

/// Why no more of a body will come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unheld {
    /// The caller is gone, or stopped in the middle.
    Gone,
    /// It is malformed.
    Malformed(String),
    /// Nothing came for too long.
    Idle,
}

impl From<Unheld> for Reply {
    fn from(unheld: Unheld) -> Self {
        let error = match unheld {
            Unheld::Gone => ProxyError::new(ErrorKind::BadRequest, "the request's body ended before it was complete"),
            Unheld::Malformed(why) => ProxyError::new(ErrorKind::BadRequest, why),
            Unheld::Idle => ErrorKind::StreamIdleTimeout.into(),
        };
        Self::from(error)
    }
}

/// Waits for something, but not for ever; zero: for ever.
pub(super) async fn unless_idle<T>(idle: Duration, wait: impl Future<Output = T>) -> Result<T, Unheld> {
    match idle.is_zero() {
        true => Ok(wait.await),
        false => tokio::time::timeout(idle, wait).await.map_err(|_| Unheld::Idle),
    }
}
