//! HTTP/2: what comes at once is what comes in pieces, and what is taken can be passed on.

mod connection;
mod hpack;

pub use connection::{http2_client, http2_server};
pub use hpack::http2_hpack;
