//! Manifests to typed objects, with the line and field of everything that is wrong.
//!
//! ```text
//! text ──► yaml: tree with positions ──► shape: all errors ──► typed object ──► check: meaning, all errors
//! ```
//!
//! One definition a kind: the Rust type. Its schema (for the shape check and for the CRDs in `deploy/crds`) is derived
//! from it. Nothing else in the tree reads YAML.

#![forbid(unsafe_code)]

pub mod annotation;
pub mod apps;
pub mod base64;
mod check;
pub mod core;
pub mod crd;
pub mod gateway;
pub mod leno;
pub mod meta;
pub mod object;
mod problem;
pub mod read;
mod schema;
mod shape;
pub mod smi;
pub mod syntax;

pub use leno_yaml as yaml;

pub use object::{Kind, Object, ObjectKey, Typed};
pub use problem::Ignored;
pub use read::{Manifest, Reading, read, read_json};
