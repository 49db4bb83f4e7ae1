//! Patterns on texts, headers and query parameters, with Envoy's semantics.

mod header;
mod query;
mod regex;
mod string;

pub use header::{HeaderMatch, HeaderMatcher};
pub use query::{QueryMatch, QueryMatcher};
pub use regex::{Pattern, PatternError};
pub use string::{StringMatch, StringMatcher};
