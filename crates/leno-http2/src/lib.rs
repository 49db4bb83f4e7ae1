//! HTTP/2 ([RFC 9113]) without I/O: bytes in, events out, and what is to be written in a buffer.
//!
//! ```text
//! bytes ─► Connection::next ─► frame ─► streams, windows, settings ─► Event (a head, a piece of a body, a reset…)
//!                                │
//!                                └─► hpack ─► Head: one buffer, and the places of fields in it
//! Connection::{open, head, data, trailers, reset, release…} ─► Connection::output, to be written as it is
//! ```
//!
//! One type serves both ends of a connection. Everything that the other side can make grow has a bound: what is open,
//! what is in flight, how large a head is and in how many frames it comes, how many streams come and are given up at
//! once, and what waits to be written. It knows no sockets, no routes, no TLS, no clock.
//!
//! [RFC 9113]: https://www.rfc-editor.org/rfc/rfc9113

#![forbid(unsafe_code)]
#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "bytes from the network may not end the process"
)]

mod connection;
mod error;
mod frame;
mod head;
pub mod hpack;
mod settings;

pub use connection::{Connection, Event, Expected, Next, Role, Sent, Stalled, Writer};
pub use error::{Code, ConnectionError, StreamError};
pub use head::{Field, Head, Place, RequestLine};
pub use settings::{Flood, Settings};

/// What a client sends first.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
