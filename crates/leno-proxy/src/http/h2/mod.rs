//! HTTP/2 on the `h2` crate: one task per connection and one per stream. gRPC is HTTP/2 with trailers.

mod body;
mod exchange;
mod expiry;
mod failure;
mod held;
mod message;
pub(super) mod server;
mod upload;
