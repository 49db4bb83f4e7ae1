//! Where the authority's root is kept.

pub mod file;
