//! What to do after a failure.

mod backoff;
mod retry;

pub use backoff::Backoff;
pub use retry::{Failure, MAX_SAFE_RESENDS, Resend, Retry, RetryOn, RetryPolicy};
