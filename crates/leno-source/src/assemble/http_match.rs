//! Entries of HTTPRouteGroups.

use leno_manifest::smi::{
    HttpRouteGroup,
    http_route_group::{HttpMatch as Entry, Method},
};
use leno_model::policy::HttpMatch;

/// Every entry of a group.
pub(super) fn all(group: &HttpRouteGroup) -> Vec<HttpMatch> {
    group.spec.matches.iter().map(http_match).collect()
}

/// What an entry means.
fn http_match(entry: &Entry) -> HttpMatch {
    let any_method = entry.methods.contains(&Method::Any);
    let methods = entry.methods.iter().filter(|_| !any_method).map(|method| method.as_str().to_owned());
    let header = |(name, value): &(String, String)| (name.to_ascii_lowercase(), value.clone());
    HttpMatch {
        name: entry.name.clone(),
        path_regex: entry.path_regex.clone(),
        methods: methods.collect(),
        headers: entry.headers.0.iter().map(header).collect(),
    }
}
