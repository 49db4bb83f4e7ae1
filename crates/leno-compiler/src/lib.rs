//! The mesh model to xDS resources: plain functions.
//!
//! ```text
//! Snapshot ─► resource(snapshot, scope, kind, name) ─► one message of Envoy's xDS v3
//! old, new ─► affected(old, new) ─► which of them can have changed
//! ```
//!
//! A sidecar asks by name (see [`leno_model::resource_name`]) and only for what its application talks to, so nothing
//! here makes lists, except for clients that want everything ([`names`]). Equal inputs give equal bytes.
//!
//! It does not know where a manifest came from, nor how resources are sent.

#![forbid(unsafe_code)]

mod access;
pub mod affected;
mod authorization;
mod cluster;
mod compile;
mod endpoint;
mod external;
mod kind;
pub mod limit;
mod listener;
mod matcher;
mod message;
mod port;
mod route;
mod scope;
mod secret;
mod split;
mod stable;
mod token;
mod traffic;

pub use affected::{Affected, affected};
pub use compile::{depends_on_caller, depends_on_namespace, names, resource};
pub use kind::Kind;
pub use scope::{Client, Scope};
pub use secret::trust_bundle;
