//! Paths made the same that mean the same, so that rules judge what the server will see. What is done, and the order,
//! follow Envoy's connection manager (`path_with_escaped_slashes_action`, `normalize_path`, `merge_slashes`).

use std::borrow::Cow;

/// What is done with paths before anything is decided by them. Nothing by default, as in Envoy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathRules {
    /// Dot segments are resolved, backslashes become slashes, what needs no percent-encoding loses it and what needs it
    /// gets it ([RFC 3986, 6.2.2](https://www.rfc-editor.org/rfc/rfc3986#section-6.2.2)).
    pub normalize: bool,
    /// Several slashes in a row become one.
    pub merge_slashes: bool,
    /// What is done with slashes and backslashes that are percent-encoded.
    pub escaped_slashes: EscapedSlashes,
}

/// What is done with `%2F` and `%5C` in paths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EscapedSlashes {
    /// They are left.
    #[default]
    Keep,
    /// The request is refused.
    Reject,
    /// The caller is sent to the path without them.
    Redirect,
    /// They are decoded.
    Decode,
}

/// What a target is after the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Normalized<'a> {
    /// This, which is borrowed when nothing changed.
    Target(Cow<'a, str>),
    /// Another one, to which the caller is to be sent.
    Redirect(String),
    /// It has no normal form, or one that is refused; why.
    Refused(&'static str),
}

impl PathRules {
    /// Applies the rules to a request's target: a path and perhaps a query, which is left alone.
    #[must_use]
    pub fn apply<'a>(&self, target: &'a str) -> Normalized<'a> {
        let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
        let mut now = Cow::Borrowed(path);
        let mut redirect = false;
        if self.escaped_slashes != EscapedSlashes::Keep && has_escaped_slash(path) {
            match self.escaped_slashes {
                EscapedSlashes::Reject => return Normalized::Refused("the path has an encoded slash or backslash"),
                EscapedSlashes::Redirect => redirect = true,
                EscapedSlashes::Decode | EscapedSlashes::Keep => {}
            }
            now = Cow::Owned(decode_slashes(path));
        }
        if self.normalize && !is_normal(&now) {
            match normal(now.as_bytes()) {
                Ok(changed) => now = Cow::Owned(changed),
                Err(why) => return Normalized::Refused(why),
            }
        }
        if self.merge_slashes && now.contains("//") {
            now = Cow::Owned(merge(&now));
        }
        match now {
            Cow::Borrowed(_) => Normalized::Target(Cow::Borrowed(target)),
            Cow::Owned(path) if redirect => Normalized::Redirect(path + query),
            Cow::Owned(path) => Normalized::Target(Cow::Owned(path + query)),
        }
    }
}

/// Whether a path is in its normal form for sure: what nearly all are, found without writing anything.
fn is_normal(path: &str) -> bool {
    let bytes = path.as_bytes();
    let mut before = 0;
    for byte in bytes {
        // Segments that begin with a dot are looked at closely.
        if (before == b'/' && *byte == b'.') || *byte == b'%' || !is_plain(*byte) {
            return false;
        }
        before = *byte;
    }
    bytes.first() == Some(&b'/')
}

/// What may stand in a path as it is.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!$&'()*+,-./:;=@[]_~".contains(&byte)
}

/// What needs no percent-encoding anywhere.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// The normal form.
fn normal(path: &[u8]) -> Result<String, &'static str> {
    // `OPTIONS *` asks about the whole server.
    if path == b"*" {
        return Ok("*".to_owned());
    }
    if path.first() != Some(&b'/') {
        return Err("the path does not begin with a slash");
    }
    let mut segments: Vec<String> = Vec::new();
    let mut pieces = path.split(|byte| matches!(byte, b'/' | b'\\')).skip(1).peekable();
    while let Some(piece) = pieces.next() {
        let segment = coded(piece)?;
        // What comes after `;` is a parameter to some servers: the dots before it count.
        match segment.split(';').next() {
            Some("..") => drop(segments.pop()),
            Some(".") => {}
            _ => {
                segments.push(segment);
                continue;
            }
        }
        // A dot segment at the end leaves the folder that it names.
        if pieces.peek().is_none() {
            segments.push(String::new());
        }
    }
    Ok(segments.iter().fold(String::with_capacity(path.len()), |path, segment| path + "/" + segment))
}

/// A segment with the percent-encoding that it needs and no more.
fn coded(piece: &[u8]) -> Result<String, &'static str> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(piece.len());
    // Where in `out` the last sign stands that begins no escape.
    let mut lone = None;
    let mut at = 0;
    while let Some(byte) = piece.get(at) {
        let digits = piece.get(at + 1..at + 3).filter(|_| *byte == b'%');
        at += 1;
        match digits.and_then(hex) {
            Some(0) => return Err("the path has an encoded zero byte"),
            Some(code) => {
                at += 2;
                if is_unreserved(code) {
                    out.push(char::from(code));
                } else {
                    out.push('%');
                    out.extend(digits.unwrap_or_default().iter().copied().map(char::from));
                }
            }
            None if *byte == b'%' => {
                lone = Some(out.len());
                out.push('%');
            }
            None if is_plain(*byte) => out.push(char::from(*byte)),
            None => {
                out.push('%');
                for digit in [byte >> 4, byte & 15] {
                    out.extend(HEX.get(usize::from(digit)).map(|digit| char::from(*digit)));
                }
            }
        }
        // What was decoded may not make an escape of it that somebody decodes once more (`%2%66`).
        if let Some(sign) = lone
            && out.as_bytes().get(sign + 1..).and_then(hex).is_some()
        {
            out.insert_str(sign + 1, "25");
            lone = None;
        }
    }
    Ok(out)
}

/// The value of two hexadecimal digits.
fn hex(digits: &[u8]) -> Option<u8> {
    let value = |digit: &u8| char::from(*digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let [high, low] = digits else { return None };
    Some(value(high)? << 4 | value(low)?)
}

fn has_escaped_slash(path: &str) -> bool {
    path.as_bytes().windows(3).any(|part| slash(part).is_some())
}

/// The slash or backslash that three bytes encode.
fn slash(part: &[u8]) -> Option<char> {
    let code = part.strip_prefix(b"%").and_then(hex)?;
    matches!(code, b'/' | b'\\').then(|| char::from(code))
}

fn decode_slashes(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(next) = rest.chars().next() {
        match rest.as_bytes().get(..3).and_then(slash) {
            Some(slash) => {
                out.push(slash);
                rest = rest.get(3..).unwrap_or_default();
            }
            None => {
                out.push(next);
                rest = rest.get(next.len_utf8()..).unwrap_or_default();
            }
        }
    }
    out
}

fn merge(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for letter in path.chars() {
        if letter != '/' || !out.ends_with('/') {
            out.push(letter);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NORMALIZE: PathRules =
        PathRules { normalize: true, merge_slashes: false, escaped_slashes: EscapedSlashes::Keep };

    fn target(rules: PathRules, target: &str) -> String {
        match rules.apply(target) {
            Normalized::Target(target) => target.into_owned(),
            Normalized::Redirect(target) => format!("redirect {target}"),
            Normalized::Refused(why) => format!("refused: {why}"),
        }
    }

    /// As Envoy 1.40 answers.
    #[test]
    fn paths_get_their_normal_form() {
        for (from, to) in [
            ("/a/../b", "/b"),
            ("/a/./b", "/a/b"),
            ("/../x", "/x"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/.%2e/b", "/b"),
            ("/a%2f..%2Fb", "/a%2f..%2Fb"),
            ("/a\\..\\b", "/b"),
            ("/a%5c..", "/a%5c.."),
            ("/a//b", "/a//b"),
            ("/a/b/..", "/a/"),
            ("/a/b/.", "/a/b/"),
            ("/%41%7e%2d%2e%5f", "/A~-._"),
            ("/%zz", "/%zz"),
            ("/%", "/%"),
            ("/a%2", "/a%2"),
            ("/%2%66", "/%252f"),
            ("/%%32f", "/%252f"),
            ("/%2%6%36", "/%2%2566"),
            ("/a?x=/../y", "/a?x=/../y"),
            ("/a/..?x=/../y", "/?x=/../y"),
            ("/a;x/../b", "/b"),
            ("/a/..;x/b", "/b"),
            ("/a%c3%a4", "/a%c3%a4"),
            ("/a\"b", "/a%22b"),
            ("/a<b>{c}|^`", "/a%3Cb%3E%7Bc%7D%7C%5E%60"),
            ("/..//../a", "/a"),
            ("/a/%2e", "/a/"),
            ("/%2e%2e/%2F", "/%2F"),
            ("/a[b]'", "/a[b]'"),
            ("/.well-known/x", "/.well-known/x"),
            ("/...", "/..."),
            ("/", "/"),
        ] {
            assert_eq!(target(NORMALIZE, from), to, "{from}");
        }
        assert_eq!(target(NORMALIZE, "/a%00"), "refused: the path has an encoded zero byte");
        assert_eq!(target(NORMALIZE, "a"), "refused: the path does not begin with a slash");
        assert_eq!(target(NORMALIZE, "*"), "*");
        assert_eq!(target(PathRules::default(), "/a/../b//%2f"), "/a/../b//%2f");
    }

    #[test]
    fn slashes_are_merged_and_decoded_when_asked_to() {
        let merge = PathRules { merge_slashes: true, ..NORMALIZE };
        assert_eq!(target(merge, "//a///b/?c=//d"), "/a/b/?c=//d");
        let with = |escaped_slashes| PathRules { escaped_slashes, ..NORMALIZE };
        assert_eq!(target(with(EscapedSlashes::Decode), "/a%2f..%5Cb?%2f"), "/b?%2f");
        assert_eq!(target(with(EscapedSlashes::Redirect), "/a%2Fb?c"), "redirect /a/b?c");
        assert_eq!(target(with(EscapedSlashes::Redirect), "/a/b"), "/a/b");
        assert!(target(with(EscapedSlashes::Reject), "/a%5cb").starts_with("refused"));
    }

    proptest! {
        #[test]
        fn the_normal_form_stays_as_it_is(path in "/[a-zA-Z0-9./\\\\%;_ä-]{0,24}") {
            if let Normalized::Target(once) = NORMALIZE.apply(&path) {
                let resolved = once.split('/').all(|segment| segment != "." && segment != "..");
                prop_assert!(resolved && !once.contains('\\'), "{once}");
                // Encoding may hide encoding ("%%2e"), so it is the shape that is stable.
                prop_assert!(matches!(NORMALIZE.apply(&once), Normalized::Target(_)));
            }
        }
    }
}
