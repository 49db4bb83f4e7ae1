//! The authority as its callers see it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod issue;
mod local;
mod service;
mod store;
