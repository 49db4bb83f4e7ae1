//! Handshakes in memory: who is let in, who is refused, and what happens to connections when certificates are replaced.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod authority;
mod context;
mod handshake;
