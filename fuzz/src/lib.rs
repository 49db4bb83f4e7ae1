//! Fuzz targets: what reads bytes from strangers gets bytes that no one thought of.
//!
//! A target is a function of bytes that panics when something is wrong: not only when the reader panics, but when it
//! says one thing of bytes that come at once and another of the same bytes in pieces, or when what it takes would be
//! understood otherwise by the next program. `cargo xtask fuzz` lets libFuzzer look for such bytes; `cargo test` gives
//! each target the files of its folder under `fuzz/corpus`.

#![forbid(unsafe_code)]

mod bootstrap;
mod client_hello;
mod cut;
mod detect;
mod http1;
mod http2;
mod manifest;
mod path;
mod pattern;
mod proxy_protocol;
mod token;
mod xds;

pub use bootstrap::bootstrap;
pub use client_hello::client_hello;
pub use detect::detect;
pub use http1::{http1_chunked, http1_request, http1_response};
pub use http2::{http2_client, http2_hpack, http2_server};
pub use manifest::manifest;
pub use path::path;
pub use pattern::pattern;
pub use proxy_protocol::proxy_protocol;
pub use token::token;
pub use xds::{xds_resources, xds_wire};

/// What is done with bytes.
pub type Target = fn(&[u8]);

/// Every target by its name: that of its program and of its folder of seeds.
pub const TARGETS: [(&str, Target); 15] = [
    ("bootstrap", bootstrap),
    ("client_hello", client_hello),
    ("detect", detect),
    ("http1_chunked", http1_chunked),
    ("http1_request", http1_request),
    ("http1_response", http1_response),
    ("http2_client", http2_client),
    ("http2_hpack", http2_hpack),
    ("http2_server", http2_server),
    ("manifest", manifest),
    ("path", path),
    ("pattern", pattern),
    ("proxy_protocol", proxy_protocol),
    ("token", token),
    ("xds_resources", xds_resources),
];
