//! Tasks.

use std::future::Future;

use tokio::task::JoinHandle;

/// Spawns a task that runs until it ends, is aborted, or the runtime stops. Everything long-lived should also select
/// on a [`Drained`](crate::Drained).
#[expect(clippy::disallowed_methods, reason = "the one place that all tasks come from")]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(future)
}
