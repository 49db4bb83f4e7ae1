//! The JSON of the admin and control APIs.
//!
//! - [`control`]: what the control plane says of itself, its proxies and the objects.
//! - [`explain`]: what a sidecar would do with a request.
//! - [`runner`]: the API of a running local mesh.

#![forbid(unsafe_code)]

pub mod control;
pub mod explain;
pub mod runner;
