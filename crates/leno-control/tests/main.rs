//! The whole control plane in one process, with its ports.

mod certificate;
mod change;
mod stranger;
mod world;
