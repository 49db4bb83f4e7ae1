//! HTTP/1.1, on `leno_http1`: one task per connection, which polls the caller's and the endpoint's socket itself.

mod answer;
mod client;
mod exchange;
mod failure;
mod head;
mod held;
mod request;
pub(super) mod server;
pub(super) mod stream;
mod times;
mod tunnel;
mod upload;
