//! Paths, by whose normal form rules judge.

use std::borrow::Cow;

use leno_engine::{
    normalize::{EscapedSlashes, Normalized, PathRules},
    request::{RequestHead as _, SimpleRequest},
};

/// The normal form has no dot segments left, keeps the query, and says whether it changed anything.
pub fn path(bytes: &[u8]) {
    let Ok(target) = std::str::from_utf8(bytes) else { return };
    let slashes = [EscapedSlashes::Keep, EscapedSlashes::Reject, EscapedSlashes::Redirect, EscapedSlashes::Decode];
    for escaped_slashes in slashes {
        for bits in 0..4 {
            let rules = PathRules { normalize: bits & 1 != 0, merge_slashes: bits & 2 != 0, escaped_slashes };
            holds(rules, target);
        }
    }
    let request = SimpleRequest::new("GET", target, "a");
    assert_eq!(request.path_is_ambiguous(), request.path_is_ambiguous());
    assert!(request.query("a").is_none_or(|value| target.contains(value)));
}

fn holds(rules: PathRules, target: &str) {
    let made = match rules.apply(target) {
        Normalized::Refused(_) => return,
        Normalized::Redirect(made) => {
            assert_ne!(made, target, "sent to where it came from, for ever");
            assert!(!matches!(rules.apply(&made), Normalized::Redirect(_)), "{target} leads to {made}, and that on");
            made
        }
        Normalized::Target(Cow::Borrowed(same)) => {
            assert_eq!(same, target);
            same.to_owned()
        }
        Normalized::Target(Cow::Owned(made)) => made,
    };
    let query = |target: &str| target.split_once('?').map(|(_, query)| query.to_owned());
    assert_eq!(query(&made), query(target), "{rules:?}");
    let path = made.split('?').next().unwrap_or_default();
    if rules.normalize && path != "*" {
        assert!(path.starts_with('/') && !path.contains('\\'), "{target} became {made}");
        let dots = path.split('/').any(|segment| matches!(segment.split(';').next(), Some("." | "..")));
        assert!(!dots, "{target} became {made}");
    }
    if rules.merge_slashes {
        assert!(!path.contains("//"), "{target} became {made}");
    }
    if escaped_gone(rules.escaped_slashes) {
        let lower = path.to_ascii_lowercase();
        // Decoding once may uncover another escape; what normalizes refuses to decode it again.
        assert!(rules.normalize || !target.contains("%25") || !lower.contains("%2f"), "{target} became {made}");
    }
}

fn escaped_gone(slashes: EscapedSlashes) -> bool {
    match slashes {
        EscapedSlashes::Decode | EscapedSlashes::Redirect => true,
        EscapedSlashes::Keep | EscapedSlashes::Reject => false,
    }
}
