//! The crate's behaviour: what people see.
#![expect(clippy::unwrap_used, reason = "tests")]

mod accepted;
mod crds;
mod golden;
mod never_panics;
