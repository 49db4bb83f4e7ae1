//! What to do after a failure, and which endpoints are kept from requests because of failures.

mod backoff;
pub mod health;
mod host_selection;
pub mod outlier;
mod reset_header;
mod retry;
mod retry_on;

pub use backoff::Backoff;
pub use host_selection::HostSelection;
pub use reset_header::{ResetFormat, ResetHeaders};
pub use retry::{Failure, MAX_SAFE_RESENDS, Resend, Retry, RetryPolicy};
pub use retry_on::{AnswerHead, RetryOn};
