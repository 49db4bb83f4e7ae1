//! TLS as a configuration asks for it, beside the mesh's own: any certificates, peers verified by any rules, TLS 1.2
//! where it is wanted (Envoy's transport sockets).
//!
//! ```text
//! Certificate (chain, key) ─┐
//! Trust (roots, names…) ────┼─► Accepting ─► rustls::ServerConfig
//! Parameters (versions…) ───┘   Dialling  ─► rustls::ClientConfig
//! ```
//!
//! Configurations are made of what is in force at the moment. Who replaces a certificate or a rule makes a new one, and
//! with it a new memory of sessions: none is resumed that was begun under other rules.

mod accepting;
mod certificate;
mod dialling;
mod names;
mod parameters;
mod peer;
mod select;
mod trust;
mod verify;

pub use accepting::{Accepting, Sessions};
pub use certificate::Certificate;
pub use dialling::Dialling;
pub use names::{NameKind, NameMatcher, names_host};
pub use parameters::{Parameters, Side, Version};
pub use peer::Peer;
pub use trust::{Fingerprint, Rules, Trust};
