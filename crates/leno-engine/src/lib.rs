//! Every decision of the data path: which protocol, which route, who may, which endpoint, whether to try again.
//!
//! Plain functions over plain values. Time and chance are arguments. It knows no I/O, no async, no clock, no protobuf;
//! `leno-proxy` moves the bytes and asks.
//!
//! ```text
//! first bytes ─► detect ─► route ─► filter, authorization ─► split ─► balance ─► resilience
//! ```

#![forbid(unsafe_code)]
#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a decision may not end the process"
)]

pub mod authorization;
pub mod balance;
pub mod detect;
pub mod filter;
pub mod fraction;
pub mod host_rules;
pub mod jwt;
pub mod label;
pub mod local_reply;
pub mod lru;
pub mod matcher;
pub mod metadata;
pub mod normalize;
pub mod proxy_protocol;
pub mod query;
pub mod request;
pub mod resilience;
pub mod route;
pub mod split;
