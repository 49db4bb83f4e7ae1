//! HTTP/1.1, on `leno_http1`: one task per connection, which polls the caller's and the endpoint's socket itself.

mod client;
mod exchange;
mod failure;
mod head;
mod held;
pub(super) mod server;
mod times;
mod tunnel;
mod upload;
