//! The proxy's behaviour over real sockets on loopback: configuration injected, identities from a test authority.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, unreachable_pub, reason = "tests")]

mod support;

mod detect;
mod discovery;
mod explain;
mod health;
mod http1;
mod http2;
mod lifetime;
mod limit;
mod mesh_tls;
mod process;
mod tcp;
