//! HTTP/2 without I/O: the RFC's examples, both ends wired to each other, and hostile peers.

#![expect(clippy::unwrap_used, reason = "tests")]

mod connection;
mod hostile;
mod hpack;
mod message;
mod pair;
