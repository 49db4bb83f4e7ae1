//! YAML and JSON as trees whose every node knows its line and column.
//!
//! Plain scalars mean what they mean to `kubectl` (YAML 1.1: `yes` and `on` are booleans, `0755` is octal), so that a
//! manifest which Leno takes is not refused or understood otherwise there. Depth, size and the growth by aliases are
//! bounded; a key given twice is refused.

#![forbid(unsafe_code)]

mod build;
pub mod node;
pub mod parse;
pub mod scalar;
pub mod write;

pub use node::{Content, Entry, Mark, Node};
pub use parse::{Document, SyntaxError, documents};
