//! HTTP/1.1 heads and body framing: bytes in, events out.

#![forbid(unsafe_code)]
