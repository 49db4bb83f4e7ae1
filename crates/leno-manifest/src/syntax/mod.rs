//! The syntax of names and values that are texts in manifests.

pub mod name;
pub mod duration;
pub mod ip_range;
pub mod regular_expression;
