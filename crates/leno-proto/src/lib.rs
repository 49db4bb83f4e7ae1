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
//! - [`json`] shows them to people.
//! - [`peak_ewma`] is a package of Envoy's that envoy-types does not have yet.
//! - [`istio::v1::auth`] is the certificate-signing service. Its code is generated and committed
//!   (`src/generated`), as is the description of messages that JSON needs; tests compare both with the proto files.
//!
//! Wire types stop at the door: only the crates above see them.

#![forbid(unsafe_code)]

pub mod any;
pub mod istio;
pub mod json;
pub mod peak_ewma;
pub mod resource;
pub mod v3;

pub use envoy_types::pb::{envoy, google, xds};
