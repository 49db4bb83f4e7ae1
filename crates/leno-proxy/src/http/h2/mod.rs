//! HTTP/2: one task drives a connection, one serves each stream. gRPC is HTTP/2 with trailers.
//!
//! What one side of a request speaks by HTTP/1.1 and the other does not is put into the form of HTTP/2, on either side:
//!
//! ```text
//! Caller::{Http2, Http1} ─► Upload ─► Called::{Http2, Http1, Bytes}
//!                        ◄─ body::pass ◄─
//! ```

mod body;
mod called;
pub(super) mod caller;
pub(super) mod exchange;
mod expiry;
mod failure;
pub(super) mod held;
mod message;
mod open;
mod raw;
pub(super) mod server;
mod settle;
mod translate;
pub(super) mod tunnel;
mod upload;
