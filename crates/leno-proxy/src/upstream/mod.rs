//! Connections to endpoints: pools for HTTP, one set per worker.

/// The pools of a worker.
#[derive(Debug, Default)]
pub struct Pools {}
