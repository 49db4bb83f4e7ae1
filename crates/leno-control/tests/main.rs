//! The whole control plane in one process, with its ports.

mod certificate;
mod change;
mod metric;
mod ratelimit;
mod stranger;
mod world;
