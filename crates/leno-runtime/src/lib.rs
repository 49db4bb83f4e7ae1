//! What every Leno process needs around its work: one way to start, to log, to spawn tasks and to stop.
//!
//! ```text
//! main ──► init (crypto, log) ──► work, in tasks ──► Signal::wait ──► Drain::start ──► tasks end ──► exit
//! ```
//!
//! It knows nothing of meshes.

#![deny(unsafe_code)]

pub mod drain;
pub mod init;
pub mod log;
pub mod memory;
pub mod signal;
pub mod task;

pub use drain::{Drain, Drained};
pub use init::init;
pub use log::{LogArgs, LogFormat, LogLevel};
