//! Matches of requests.

use leno_model::route::{
    RequestMatch,
    http::{PathMatch, TextMatch},
};
use leno_proto::v3::{
    matcher::StringMatcher,
    route::{
        HeaderMatcher, QueryParameterMatcher, RouteMatch,
        header_matcher::HeaderMatchSpecifier,
        query_parameter_matcher::QueryParameterMatchSpecifier,
        route_match::{ConnectMatcher, GrpcRouteMatchOptions, PathSpecifier},
    },
};

use super::rewrite::escaped;
use crate::{
    Client,
    message::{regex, string_exact, string_regex},
};

/// A match as Envoy writes it; `grpc`: of gRPC calls alone. gRPC libraries know nothing else, and no prefixes of whole
/// steps.
pub(super) fn fits(fits: &RequestMatch, grpc: bool, client: Client) -> RouteMatch {
    let is_connect = fits.method.as_deref() == Some("CONNECT");
    let path = match &fits.path {
        // CONNECT has no path that a prefix could fit.
        PathMatch::Prefix(path) if path.is_empty() && is_connect => {
            PathSpecifier::ConnectMatcher(ConnectMatcher::default())
        }
        PathMatch::Prefix(path) if path.is_empty() => PathSpecifier::Prefix("/".into()),
        PathMatch::Prefix(path) if client == Client::Grpc => {
            PathSpecifier::SafeRegex(regex(&format!("{}(/.*)?", escaped(path))))
        }
        PathMatch::Prefix(path) => PathSpecifier::PathSeparatedPrefix(path.clone()),
        PathMatch::Exact(path) => PathSpecifier::Path(path.clone()),
        PathMatch::Regex(path) => PathSpecifier::SafeRegex(regex(path)),
    };
    let method = fits.method.as_ref().map(|method| header(":method", string_exact(method)));
    let headers = fits.headers.iter().map(|(name, value)| header(name, text(value)));
    let query = fits.query.iter().map(|(name, value)| QueryParameterMatcher {
        name: name.clone(),
        query_parameter_match_specifier: Some(QueryParameterMatchSpecifier::StringMatch(text(value))),
    });
    RouteMatch {
        path_specifier: Some(path),
        headers: method.into_iter().chain(headers).collect(),
        query_parameters: query.collect(),
        grpc: (grpc && client != Client::Grpc).then(GrpcRouteMatchOptions::default),
        ..Default::default()
    }
}

fn header(name: &str, fits: StringMatcher) -> HeaderMatcher {
    HeaderMatcher {
        name: name.to_owned(),
        header_match_specifier: Some(HeaderMatchSpecifier::StringMatch(fits)),
        ..Default::default()
    }
}

fn text(fits: &TextMatch) -> StringMatcher {
    match fits {
        TextMatch::Exact(text) => string_exact(text),
        TextMatch::Regex(text) => string_regex(text),
    }
}
