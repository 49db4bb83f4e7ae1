//! A canary, step by step: weights of an object are shifted, what its callers' sidecars count is judged, and the weights
//! go back when it does not do well.
//!
//! ```text
//! plan (which weights, of which backends) ─► course (step, look, judge, pause, back) ─► event (lines, JSON)
//!                                              │
//!                                            place: objects read and replaced, calls counted
//! ```
//!
//! Only `place` knows where objects are: in a local mesh, or in a cluster.

mod course;
pub(crate) mod event;
mod judge;
pub(crate) mod place;
mod plan;

pub(crate) use course::{Course, End, Interrupt, Pause, Schedule};
pub(crate) use judge::Limits;
pub(crate) use plan::{BackendName, Choice, Plan};
