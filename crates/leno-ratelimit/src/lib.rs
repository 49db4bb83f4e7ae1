//! The rate limit service: sidecars ask it before they let a request pass, so that one limit holds for all of them.
//!
//! ```text
//! sidecar ── domain, descriptors ──► service ─► rules (which limit is meant?) ─► counter (how many were there?)
//!         ◄── within or over, what is left ──┘                                   memory, or Redis for several replicas
//! ```
//!
//! It speaks Envoy's rate limit protocol ([RLS]) and reads the configuration format that the ecosystem's reference
//! implementation made usual, so that either end can be somebody else's.
//!
//! [RLS]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/service/ratelimit/v3/rls.proto

#![forbid(unsafe_code)]

pub mod cli;
mod complaint;
pub mod counter;
mod decide;
mod files;
pub mod limit;
pub mod metric;
pub mod rules;
mod serve;
pub mod service;

pub use counter::Counter;
pub use limit::{Limit, Unit};
pub use rules::Rules;
pub use service::Service;
