//! Regular expressions of routes: RE2's syntax, of which the `regex` crate is the Rust half.

use regex::RegexBuilder;

/// The most memory that one compiled expression may take, in bytes; larger ones are refused.
const MAX_COMPILED: usize = 1 << 20;

/// Checks that the sidecar will take an expression, which it matches against the whole text.
///
/// # Errors
/// What is wrong with it, in one line.
pub fn check(text: &str) -> Result<(), String> {
    // By itself first: `a)(b` becomes sound only by the group that is put around it.
    let alone = RegexBuilder::new(text).size_limit(MAX_COMPILED).build();
    let outcome = alone.and_then(|_| RegexBuilder::new(&format!("^(?:{text})$")).size_limit(MAX_COMPILED).build());
    outcome.map(drop).map_err(|error| match error {
        regex::Error::Syntax(text) => {
            let last = text.lines().rev().find_map(|line| line.trim().strip_prefix("error: "));
            last.unwrap_or("it cannot be read").to_owned()
        }
        regex::Error::CompiledTooBig(_) => "it grows too large when compiled".to_owned(),
        _ => "it cannot be compiled".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_refused_with_the_reason() {
        assert_eq!(check("/books/.*"), Ok(()));
        assert_eq!(check(".*-http-client/*.*"), Ok(()));
        assert_eq!(check("("), Err("unclosed group".into()));
        assert_eq!(check("a)(b"), Err("unopened group".into()));
        assert!(check("(?=look)").unwrap_err().contains("look-around"));
        assert!(check(r"(a)\1").is_err());
        assert!(check("((((a{100}){100}){100}){100})").is_err());
    }
}
