//! The control plane: objects in, xDS and certificates out.
//!
//! ```text
//! source ─► push (gathers changes) ─► discovery (snapshot, compiled resources) ═► proxies     ports: 15012 TLS, 15010
//!                                      ▲ roots                     │ who was told what
//! authority ─► certificate (own, and for workloads' requests)      └─► api (15080), metric (15014)
//! admission (objects judged before they are stored) ◄══ API server, 15017
//! ratelimit (what sidecars count together) ═► proxies, on the port for TLS
//! ```
//!
//! [`wire`] is the whole plot. It holds no state that a restart would miss: objects come from the source, keys from the
//! authority's store, and what proxies hold they say when they connect.

#![forbid(unsafe_code)]

mod admission;
mod api;
mod certificate;
pub mod cli;
mod discovery;
pub mod metric;
mod push;
mod ratelimit;
mod serve;
pub mod wire;
