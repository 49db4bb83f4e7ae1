//! Other paths, as Envoy writes them.

use leno_model::route::{handling::PathRewrite, http::PathMatch};
use leno_proto::v3::{matcher::RegexMatchAndSubstitute, route::redirect_action::PathRewriteSpecifier};

use crate::message::regex;

/// A change of a path.
pub(super) enum Rewrite {
    /// None.
    Nothing,
    /// This in place of the prefix that the route's match has.
    Prefix(String),
    /// What fits an expression is replaced.
    Regex(RegexMatchAndSubstitute),
    /// This in place of the whole path.
    Full(String),
}

impl Rewrite {
    pub(super) fn into_redirect(self) -> Option<PathRewriteSpecifier> {
        match self {
            Self::Nothing => None,
            Self::Prefix(to) => Some(PathRewriteSpecifier::PrefixRewrite(to)),
            Self::Regex(to) => Some(PathRewriteSpecifier::RegexRewrite(to)),
            Self::Full(to) => Some(PathRewriteSpecifier::PathRedirect(to)),
        }
    }
}

/// What becomes of paths that fit.
pub(super) fn of(to: &PathRewrite, path: &PathMatch) -> Rewrite {
    match (to, path) {
        (PathRewrite::Full(to), _) => Rewrite::Full(if to.is_empty() { "/".into() } else { to.clone() }),
        (PathRewrite::Prefix(to), PathMatch::Prefix(from)) => match (from.as_str(), to.as_str()) {
            ("", "") => Rewrite::Nothing,
            // The prefix that Envoy replaces is `/` here: `/a` becomes `/to/a`.
            ("", to) => Rewrite::Prefix(format!("{to}/")),
            // A slash must be left: `/from` becomes `/`, `/from/a` becomes `/a`.
            (from, "") => Rewrite::Regex(RegexMatchAndSubstitute {
                pattern: Some(regex(&format!("^{}/*", escaped(from)))),
                substitution: "/".into(),
            }),
            (_, to) => Rewrite::Prefix(to.to_owned()),
        },
        // Refused with the manifest: only a prefix that fitted can be replaced.
        (PathRewrite::Prefix(_), PathMatch::Exact(_) | PathMatch::Regex(_)) => Rewrite::Nothing,
    }
}

/// This in place of the whole path.
pub(super) fn whole(to: &str) -> RegexMatchAndSubstitute {
    RegexMatchAndSubstitute { pattern: Some(regex("^/.*$")), substitution: to.replace('\\', r"\\") }
}

/// A text as an expression that fits it alone.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if !c.is_ascii_alphanumeric() && !matches!(c, '/' | '_' | '-') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
