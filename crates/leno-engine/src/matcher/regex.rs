//! Regular expressions that must fit a whole value, as Envoy's `RegexMatcher` (RE2) does.

use std::fmt;

use regex::bytes::{Captures, Regex, RegexBuilder};

/// A compiled expression that fits whole values only.
#[derive(Clone)]
pub struct Pattern {
    text: Box<str>,
    regex: Regex,
    anywhere: Regex,
}

/// The most memory a compiled expression may take.
const MAX_SIZE: usize = 1 << 20;

/// Why a text is no usable expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no regular expression (RE2 syntax): {reason}")]
pub struct PatternError {
    /// The expression.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Pattern {
    /// Compiles an expression.
    ///
    /// # Errors
    /// When it is not of RE2's syntax, or too large.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        let whole = format!("^(?:{text})$");
        let compile = |text: &str| RegexBuilder::new(text).size_limit(MAX_SIZE).dfa_size_limit(MAX_SIZE).build();
        // Compiled alone as well: in `a)(b` the parentheses would close the group that is put around it.
        let built = compile(text).and_then(|anywhere| Ok((anywhere, compile(&whole)?)));
        match built {
            Ok((anywhere, regex)) => Ok(Self { text: text.into(), regex, anywhere }),
            Err(error) => {
                let reason = error.to_string().lines().last().unwrap_or_default().trim().to_owned();
                Err(PatternError { text: text.to_owned(), reason })
            }
        }
    }

    /// Whether the whole value fits.
    #[must_use]
    pub fn fits(&self, value: &[u8]) -> bool {
        self.regex.is_match(value)
    }

    /// The text with every fit of the expression (anywhere in it) replaced; `\1` stands for the first group, as in RE2's
    /// `Rewrite`.
    #[must_use]
    pub fn replace(&self, text: &str, substitution: &str) -> String {
        let replaced = self.anywhere.replace_all(text.as_bytes(), |groups: &Captures<'_>| {
            let mut filled = Vec::new();
            let mut characters = substitution.chars();
            while let Some(character) = characters.next() {
                let group = if character == '\\' { characters.next() } else { None };
                match group.map(|group| (group, group.to_digit(10))) {
                    Some((_, Some(number))) => {
                        let number = usize::try_from(number).unwrap_or(usize::MAX);
                        filled.extend_from_slice(groups.get(number).map_or(b"", |group| group.as_bytes()));
                    }
                    Some((other, None)) => filled.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
                    None => filled.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
                }
            }
            filled
        });
        String::from_utf8_lossy(&replaced).into_owned()
    }

    /// What is wrong with a substitution for [`replace`](Self::replace), if anything: it names a group that the expression
    /// does not have, or a backslash stands before something else than a digit or a backslash.
    #[must_use]
    pub fn unfit(&self, substitution: &str) -> Option<String> {
        let mut characters = substitution.chars();
        while let Some(character) = characters.next() {
            if character != '\\' {
                continue;
            }
            let groups = self.anywhere.captures_len() - 1;
            match characters.next().map(|next| (next, next.to_digit(10))) {
                Some(('\\', _)) => {}
                Some((next, Some(number))) if usize::try_from(number).is_ok_and(|number| number > groups) => {
                    return Some(format!("\\{next}, but {} has {groups} groups", self.text));
                }
                Some((_, Some(_))) => {}
                Some((next, None)) => return Some(format!("\\{next}")),
                None => return Some("a backslash at its end".to_owned()),
            }
        }
        None
    }

    /// The expression.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_values_fit() {
        let pattern = Pattern::new("a|bc").unwrap();
        assert!(pattern.fits(b"a") && pattern.fits(b"bc"));
        assert!(!pattern.fits(b"ac") && !pattern.fits(b"abc") && !pattern.fits(b"a\n"));
    }

    #[test]
    fn groups_are_filled_in() {
        let pattern = Pattern::new("/([a-z]+)/([0-9]+)").unwrap();
        assert_eq!(pattern.replace("/a/1/b/2", r"/\2/\1\\"), r"/1/a\/2/b\");
        assert_eq!(pattern.unfit(r"/\2/\1\\\0"), None);
        for (unfit, why) in [(r"\3", "2 groups"), (r"\x", r"\x"), ("\\", "end")] {
            assert!(pattern.unfit(unfit).unwrap().contains(why), "{unfit}");
        }
    }

    #[test]
    fn bad_and_huge_expressions_are_refused() {
        for text in ["[", "a)(b", "(?=x)", "((a{100}){100}){100}"] {
            let error = Pattern::new(text).unwrap_err();
            assert!(error.to_string().contains(text), "{error}");
        }
    }
}
