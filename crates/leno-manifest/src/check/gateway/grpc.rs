//! Rules of GRPCRoutes.

use super::{
    filter,
    reference::backend,
    rule::{named, regex, session},
};
use crate::{
    gateway::{
        grpc_route::{GrpcMethodMatch, GrpcRouteRule},
        http_route::ValueMatchType,
    },
    problem::Problems,
};

pub(super) fn check(rule: &GrpcRouteRule, at: &str, problems: &mut Problems<'_>) {
    for (index, one) in rule.matches.iter().enumerate() {
        let at = format!("{at}.matches[{index}]");
        if let Some(method) = &one.method {
            self::method(method, &format!("{at}.method"), problems);
        }
        named(&one.headers, &format!("{at}.headers"), problems);
    }
    filter::check_grpc(&rule.filters, &format!("{at}.filters"), problems);
    for (index, share) in rule.backend_refs.iter().enumerate() {
        let at = format!("{at}.backendRefs[{index}]");
        backend(&share.backend, &at, problems);
        filter::check_grpc(&share.filters, &format!("{at}.filters"), problems);
    }
    if let Some(it) = &rule.session_persistence {
        session(it, at, problems);
    }
}

fn method(method: &GrpcMethodMatch, at: &str, problems: &mut Problems<'_>) {
    if method.service.is_none() && method.method.is_none() {
        problems.add_value(at, "without any", "service, method or both", "");
    }
    let identifier = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    for (text, field, is_service) in [(&method.service, "service", true), (&method.method, "method", false)] {
        let Some(text) = text else { continue };
        let field = format!("{at}.{field}");
        match method.kind {
            ValueMatchType::RegularExpression => regex(text, &field, problems),
            ValueMatchType::Exact if is_service => {
                if !text.strip_prefix('.').unwrap_or(text).split('.').all(identifier) {
                    problems.add(&field, "the name of a gRPC service such as shop.Cart", "");
                }
            }
            ValueMatchType::Exact if identifier(text) => {}
            ValueMatchType::Exact => problems.add(&field, "the name of a gRPC method such as Add", ""),
        }
    }
}
