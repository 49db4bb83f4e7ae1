//! The syntax of names and values that are texts in manifests.

pub mod duration;
pub mod ip_range;
pub mod name;
pub mod percent;
pub mod regular_expression;
