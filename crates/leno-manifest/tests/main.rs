//! The crate's behaviour: what people see.

mod accepted;
mod crds;
mod golden;
mod never_panics;
mod upstream;
