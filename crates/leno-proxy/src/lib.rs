//! The sidecar: every request to and from a workload goes through it.
//!
//! ```text
//!  control thread                                     worker threads (thread-per-core, nothing shared per request)
//!  ──────────────                                     ─────────────────────────────────────────────────────────────
//!  identity   key, CSR, rotation ──► Credentials ───► tls::accept / tls::connect
//!  discovery  delta ADS ──► config::convert ──► Slot ► listener::{inbound, outbound} ─► detect ─► http::serve
//!  admin      15000, 15020 ◄── worker::Command ──────                                        └──► tcp::exchange
//! ```
//!
//! Decisions (which route, endpoint, verdict) are `leno_engine`'s; this crate moves bytes and asks it. It must not know
//! manifests, Kubernetes, the compiler or a CA's key. Protobuf is seen only by [`bootstrap`], [`config::convert`], [`discovery`],
//! [`identity`] and `service`.

#![forbid(unsafe_code)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

pub mod admin;
pub mod bootstrap;
pub mod cli;
mod clock;
pub mod config;
pub mod connection;
pub mod detect;
pub mod dial;
pub mod discovery;
mod dns;
pub mod error;
pub mod explain;
mod h2;
mod hash;
mod health;
pub mod hex;
pub mod http;
pub mod http_buffer;
pub mod identity;
pub mod io;
mod labelled;
pub mod limit;
pub mod listener;
pub mod redirect;
mod service;
pub mod settings;
pub mod tcp;
pub mod telemetry;
pub mod tls;
pub mod upstream;
pub mod worker;
