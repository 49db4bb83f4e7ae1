//! Matchers of requests, from those of Leno's own policies.

use leno_model::policy::{HeaderMatch, RequestMatch, TextMatch};
use leno_proto::v3::{
    matcher::{PathMatcher, StringMatcher, path_matcher, string_matcher::MatchPattern},
    rbac::{Permission, permission::Rule},
    route::{HeaderMatcher, RouteMatch, header_matcher::HeaderMatchSpecifier, route_match::PathSpecifier},
};

use crate::{
    authorization::{all, of, one_of},
    message::{regex, string_exact, string_regex},
};

/// A route's match.
pub(crate) fn route(fits: &RequestMatch) -> RouteMatch {
    let path = match &fits.path {
        Some(TextMatch::Exact(path)) => PathSpecifier::Path(path.clone()),
        Some(TextMatch::Prefix(path)) => match path.trim_end_matches('/') {
            "" => PathSpecifier::Prefix("/".into()),
            path => PathSpecifier::PathSeparatedPrefix(path.to_owned()),
        },
        Some(TextMatch::Regex(path)) => PathSpecifier::SafeRegex(regex(path)),
        None => PathSpecifier::Prefix("/".into()),
    };
    RouteMatch { path_specifier: Some(path), headers: headers(fits), ..Default::default() }
}

/// The header matchers of a kind of request, its methods among them.
pub(crate) fn headers(fits: &RequestMatch) -> Vec<HeaderMatcher> {
    let methods = match fits.methods.as_slice() {
        [] => None,
        [method] => Some(string_exact(method)),
        // Methods are words of letters, which mean themselves in a regular expression.
        several => Some(string_regex(&several.join("|"))),
    };
    let methods = methods.map(|fits| named(":method", Some(fits)));
    methods.into_iter().chain(fits.headers.iter().map(header)).collect()
}

/// What a request must be, as a rule of access; `None` when it may be any.
pub(crate) fn permission(fits: &RequestMatch) -> Option<Permission> {
    let path = fits.path.as_ref().and_then(path);
    let headers = headers(fits).into_iter().map(|header| of(Rule::Header(header)));
    let parts: Vec<_> = path.into_iter().chain(headers).collect();
    (!parts.is_empty()).then(|| all(parts))
}

fn path(fits: &TextMatch) -> Option<Permission> {
    let rule = |fits: StringMatcher| of(Rule::UrlPath(PathMatcher { rule: Some(path_matcher::Rule::Path(fits)) }));
    match fits {
        // By whole segments: the path itself, or one that goes on after it with a slash.
        TextMatch::Prefix(prefix) => {
            let whole = prefix.trim_end_matches('/');
            let below = text(&TextMatch::Prefix(format!("{whole}/")));
            let exact = (!whole.is_empty()).then(|| rule(string_exact(whole)));
            one_of(exact.into_iter().chain([rule(below)]).collect())
        }
        TextMatch::Exact(_) | TextMatch::Regex(_) => Some(rule(text(fits))),
    }
}

/// A header's matcher.
pub(crate) fn header(fits: &HeaderMatch) -> HeaderMatcher {
    named(&fits.name, fits.value.as_ref().map(text))
}

/// A text's matcher.
pub(crate) fn text(fits: &TextMatch) -> StringMatcher {
    match fits {
        TextMatch::Exact(text) => string_exact(text),
        TextMatch::Prefix(text) => {
            StringMatcher { match_pattern: Some(MatchPattern::Prefix(text.clone())), ..Default::default() }
        }
        TextMatch::Regex(text) => string_regex(text),
    }
}

/// The matcher of a header of this name.
pub(crate) fn named(name: &str, fits: Option<StringMatcher>) -> HeaderMatcher {
    let fits = match fits {
        Some(fits) => HeaderMatchSpecifier::StringMatch(fits),
        None => HeaderMatchSpecifier::PresentMatch(true),
    };
    HeaderMatcher { name: name.to_owned(), header_match_specifier: Some(fits), ..Default::default() }
}
