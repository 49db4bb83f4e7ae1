//! Which pods get a sidecar, and what of their traffic it leaves alone.
//!
//! ```text
//! Namespace, pod ──► template: does it get a sidecar, and why
//! annotations, MeshConfig ──► exclusion: what bypasses the sidecar
//! ```

#![forbid(unsafe_code)]

pub mod exclusion;
pub mod template;

pub use exclusion::interception;
pub use template::{Decision, Reason, SIDECAR_CONTAINER, has_sidecar, injected, injected_into, is_meshed};
