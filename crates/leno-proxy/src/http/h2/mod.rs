//! HTTP/2: one task drives a connection, one serves each stream. gRPC is HTTP/2 with trailers.

mod body;
mod called;
mod exchange;
mod expiry;
mod failure;
mod held;
mod message;
pub(super) mod server;
mod translate;
mod upload;
