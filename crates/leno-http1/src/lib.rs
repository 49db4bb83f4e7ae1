//! HTTP/1.1 ([RFC 9112]) without I/O: heads are parsed from bytes into places in these bytes, bodies are framed and
//! validated, and new heads are written by copying blocks of old ones.
//!
//! ```text
//! bytes ─► head::request / head::response ─► Framing ─► Body::advance ─► framed bytes, passed on as they are
//!                    │
//!                    └─► write::request / write::response ─► a new head
//! ```
//!
//! It is strict where two programs could read one message differently: whatever is ambiguous is an error, never a
//! guess. It knows no sockets, no routes, no TLS.
//!
//! [RFC 9112]: https://www.rfc-editor.org/rfc/rfc9112

#![forbid(unsafe_code)]
#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "bytes from the network may not end the process"
)]

pub mod body;
pub mod error;
pub mod field;
pub mod head;
pub mod write;

pub use body::{Advanced, Body, BodyError, Framing, Part};
pub use error::{HeadError, HeadErrorKind};
pub use field::{Field, Place};
pub use head::{Limits, Parsed, RequestHead, ResponseHead, Version};
