//! The crate's behaviour: what people see.

mod accepted;
mod crds;
mod docs;
mod golden;
mod never_panics;
mod upstream;
