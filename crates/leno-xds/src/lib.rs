//! The xDS transport protocol ([xds_protocol]): aggregated discovery (ADS), incremental and state of the world.
//!
//! ```text
//! what a source knows ──► server ═══ one stream, several types, ACK or NACK for each answer ═══► client ──► a handler
//! (ResourceSource)        │                                                                      │
//!                         └ who was told what (StatusBoard)                                      └ what is wanted (Handle)
//! ```
//!
//! - [`resource`]: the types of resources, their order, one encoded resource.
//! - [`server`]: answers streams from a [`server::ResourceSource`]. What to say next is decided by plain state machines
//!   (`subscription`, `session`) that know no network; `stream` moves the messages.
//! - [`client`]: keeps one incremental stream open, names are added and dropped at run time.
//!
//! This crate does not look inside resources, and knows nothing of meshes.
//!
//! [xds_protocol]: https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol

#![forbid(unsafe_code)]

pub mod client;
pub mod resource;
pub mod server;

pub use resource::{Resource, ResourceType};
