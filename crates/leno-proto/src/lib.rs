//! The protobuf messages and gRPC services that control plane and data plane speak.
//!
//! ```text
//! envoy-types (all of Envoy's v3 API) ──┐
//!                                       ├─► this crate ─► compiler, xds, proxy, ca
//! proto/istio/v1/auth/ca.proto ─────────┘
//! ```
//!
//! - [`envoy`], [`google`], [`xds`] are whole packages under their own names; [`v3`] holds short names for those in use.
//! - [`resource`] names the resource types of xDS by type URL; [`any`] packs and unpacks typed messages.
//! - [`istio::v1::auth`] is the certificate-signing service. Its code is generated and committed
//!   (`src/generated`); the test `generated_code_is_current` compares and, with `UPDATE_GENERATED=1`, writes it.
//!
//! Wire types stop at the door: only the crates above see them.

#![forbid(unsafe_code)]

pub mod any;
pub mod istio;
pub mod resource;
pub mod v3;

pub use envoy_types::pb::{envoy, google, xds};
