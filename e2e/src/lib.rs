//! Runs the real `leno` the way a person does and looks at what comes out.
//!
//! A test writes manifests, starts `leno up` on them, and asks pods to call each other with `leno exec`. Nothing here
//! knows the inside of Leno.

pub mod manifest;
pub mod mesh;
pub mod port;
pub mod process;
pub mod wait;

pub use mesh::{Mesh, Reply};
