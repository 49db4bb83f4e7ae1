//! Regular expressions of strangers, on values of strangers.

use leno_engine::matcher::Pattern;

/// The first line is the expression, the second what is put in its place, the rest a value. All of it ends soon, and what
/// fits as a whole fits somewhere.
pub fn pattern(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut lines = text.splitn(3, '\n');
    let mut next = || lines.next().unwrap_or_default();
    let (expression, substitution, value) = (next(), next(), next());
    let Ok(pattern) = Pattern::new(expression) else { return };
    assert_eq!(pattern.text(), expression);
    let fits = pattern.fits(value.as_bytes());
    let marked = pattern.replace(value, "\u{1}");
    assert!(!fits || marked.contains('\u{1}'), "{value:?} fits {expression:?} and is not found there");
    let replaced = pattern.replace(value, substitution);
    assert!(marked.contains('\u{1}') || replaced == value, "nothing was found, and something changed");
}
