//! Bytes: choosing an endpoint, dialling it, and passing on what comes until both sides are done.

pub mod buffer;
pub mod exchange;
pub mod relay;
