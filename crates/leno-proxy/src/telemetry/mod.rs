//! What the proxy tells about its work: counters, the access log, trace context.
//!
//! ```text
//! event::…::emit ──► Recorder (one per worker, plain cells) ──► Totals ──► metric::render, merged over workers
//!                └─► access_log (one buffer per worker) ──► writer thread ──► standard output
//! ```

pub mod access_log;
pub mod decision;
pub mod event;
pub mod label;
pub mod metric;
pub mod recorder;
pub mod series;
pub mod totals;
pub mod trace;

pub use recorder::Recorder;
pub use totals::Totals;
