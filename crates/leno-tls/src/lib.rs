//! Identities on the wire: SVIDs, trust bundles, and the only rustls configuration in the tree.
//!
//! ```text
//! PrivateKey::generate ─► csr ─► (certificate authority) ─► Svid ─┐
//!                                                                 ├─► Identity ─► rustls configurations
//!                                          roots as PEM ─► TrustBundle ─┘   ▲ both can be replaced while in use
//! ```
//!
//! A configuration made from an [`Identity`] reads the certificate and the roots of the moment at every handshake, so
//! that rotation neither rebuilds a configuration nor touches a connection.
//!
//! This crate does no I/O and knows no protobuf.

#![forbid(unsafe_code)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

pub mod bundle;
pub mod config;
pub mod context;
pub mod csr;
pub mod error;
pub mod identity;
pub mod rotate;
mod session;
pub mod svid;
pub mod verify;

pub use bundle::TrustBundle;
pub use error::{TlsError, handshake_reason};
pub use identity::{Identity, ServerIdentity};
pub use svid::{Credential, PrivateKey, Svid};
pub use verify::{peer_identity, peer_workload};
