//! The certificate authority: roots, issuing, attestation of workloads.
//!
//! ```text
//! proxy ── CSR + token ──► service ─► attest (who is it?) ─► issuer (leaf for that identity) ─► proxy
//!                                                             ▲
//!                           store (root certificate and key) ─┘
//! ```
//!
//! The request says what key to certify and nothing else: who the caller is comes from its token, how long the
//! certificate lives from the mesh's settings.

#![forbid(unsafe_code)]

pub mod attest;
mod error;
pub mod issuer;
pub mod root;
pub mod service;
pub mod store;

pub use error::CaError;
pub use issuer::{Authority, Issued};
pub use root::Root;
pub use service::{CertificateService, Outcome, Refusal, Settings};
