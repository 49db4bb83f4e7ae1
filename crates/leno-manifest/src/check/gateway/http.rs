//! Rules of HTTPRoutes.

use super::{
    filter::{self, Prefix},
    reference::backend,
    rule::{named, regex, session, time},
};
use crate::{
    gateway::{
        filter::HttpFilterType,
        http_route::{HttpPathMatch, HttpRouteRule, PathMatchType},
    },
    problem::Problems,
};

pub(super) fn check(rule: &HttpRouteRule, at: &str, problems: &mut Problems<'_>) {
    for (index, one) in rule.matches.iter().enumerate() {
        let at = format!("{at}.matches[{index}]");
        if let Some(path) = &one.path {
            self::path(path, &format!("{at}.path"), problems);
        }
        named(&one.headers, &format!("{at}.headers"), problems);
        named(&one.query_params, &format!("{at}.queryParams"), problems);
    }
    let prefix = prefix(rule);
    filter::check_http(&rule.filters, prefix, &format!("{at}.filters"), problems);
    for (index, share) in rule.backend_refs.iter().enumerate() {
        let at = format!("{at}.backendRefs[{index}]");
        backend(&share.backend, &at, problems);
        filter::check_http(&share.filters, prefix, &format!("{at}.filters"), problems);
    }
    let redirects = rule.filters.iter().any(|filter| filter.kind == HttpFilterType::RequestRedirect);
    if redirects && !rule.backend_refs.is_empty() {
        let fix = "what is redirected goes to no backend; remove either";
        problems.add_value(&format!("{at}.backendRefs"), "given", "none beside a RequestRedirect", fix);
    }
    timeouts(rule, at, problems);
    if let Some(it) = &rule.session_persistence {
        session(it, at, problems);
    }
}

/// Whether there is one prefix that could be replaced.
fn prefix(rule: &HttpRouteRule) -> Prefix {
    let is_prefix =
        |path: &Option<HttpPathMatch>| path.as_ref().is_none_or(|path| path.kind == PathMatchType::PathPrefix);
    match rule.matches.as_slice() {
        [] => Prefix::One,
        [one] if is_prefix(&one.path) => Prefix::One,
        _ => Prefix::NoneOrSeveral,
    }
}

fn path(path: &HttpPathMatch, at: &str, problems: &mut Problems<'_>) {
    let field = format!("{at}.value");
    match path.kind {
        PathMatchType::RegularExpression => regex(&path.value, &field, problems),
        PathMatchType::Exact | PathMatchType::PathPrefix => {
            let value = &path.value;
            let lower = value.to_ascii_lowercase();
            let odd = ["//", "/./", "/../", "%2f", "#"].into_iter().any(|part| lower.contains(part))
                || lower.ends_with("/..")
                || lower.ends_with("/.");
            if !value.starts_with('/') || odd || !is_path(value) || value.len() > 1024 {
                problems.add(&field, "an absolute path in its normal form, such as /books", "");
            }
        }
    }
}

fn is_path(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().enumerate().all(|(index, byte)| match byte {
        b'%' => bytes.get(index + 1..index + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)),
        _ => byte.is_ascii_alphanumeric() || b"-/._~!$&'()*+,;=:@".contains(byte),
    })
}

fn timeouts(rule: &HttpRouteRule, at: &str, problems: &mut Problems<'_>) {
    if let Some(times) = &rule.timeouts {
        let field = format!("{at}.timeouts.backendRequest");
        let request = time(times.request.as_ref(), &format!("{at}.timeouts.request"), problems);
        let backend = time(times.backend_request.as_ref(), &field, problems);
        if let (Some(request), Some(backend)) = (request, backend)
            && !request.is_zero()
            && backend > request
        {
            problems.add(&field, "no more than the time of the whole request", "");
        }
    }
    if let Some(retry) = &rule.retry {
        for (index, _) in retry.codes.iter().enumerate().filter(|(_, code)| !(400..600).contains(*code)) {
            problems.add(&format!("{at}.retry.codes[{index}]"), "a status from 400 to 599", "");
        }
        time(retry.backoff.as_ref(), &format!("{at}.retry.backoff"), problems);
    }
}
