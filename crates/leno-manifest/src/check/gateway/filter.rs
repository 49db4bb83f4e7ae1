//! Filters of HTTPRoutes and GRPCRoutes.

use std::collections::HashSet;

use super::reference::backend;
use crate::{
    gateway::{
        filter::{
            Cors, CorsMethod, HeaderModifier, HttpFilterType, HttpRouteFilter, PathModifier, PathModifierType,
            RequestMirror, RequestRedirect,
        },
        grpc_route::{GrpcFilterType, GrpcRouteFilter},
    },
    problem::Problems,
    syntax::name,
};

/// Whether there is a prefix that could be replaced.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Prefix {
    One,
    NoneOrSeveral,
}

pub(super) fn check_http(filters: &[HttpRouteFilter], prefix: Prefix, at: &str, problems: &mut Problems<'_>) {
    use HttpFilterType as Type;
    let kinds: Vec<_> = filters.iter().map(|filter| filter.kind).collect();
    let may_repeat = |kind: Type| matches!(kind, Type::RequestMirror | Type::ExtensionRef | Type::ExternalAuth);
    once(&kinds, may_repeat, at, problems);
    if kinds.contains(&Type::RequestRedirect) && kinds.contains(&Type::UrlRewrite) {
        let expected = "either a RequestRedirect or a URLRewrite";
        problems.add_value(at, "given with both", expected, "what is redirected is not rewritten");
    }
    for (index, filter) in filters.iter().enumerate() {
        let at = format!("{at}[{index}]");
        let given = [
            (Type::RequestHeaderModifier, filter.request_header_modifier.is_some(), "requestHeaderModifier"),
            (Type::ResponseHeaderModifier, filter.response_header_modifier.is_some(), "responseHeaderModifier"),
            (Type::RequestMirror, filter.request_mirror.is_some(), "requestMirror"),
            (Type::RequestRedirect, filter.request_redirect.is_some(), "requestRedirect"),
            (Type::UrlRewrite, filter.url_rewrite.is_some(), "urlRewrite"),
            (Type::ExtensionRef, filter.extension_ref.is_some(), "extensionRef"),
            (Type::Cors, filter.cors.is_some(), "cors"),
            (Type::ExternalAuth, filter.external_auth.is_some(), "externalAuth"),
        ];
        union(given.map(|(kind, given, field)| (kind == filter.kind, given, field)), &at, problems);
        for (modifier, field) in [
            (&filter.request_header_modifier, "requestHeaderModifier"),
            (&filter.response_header_modifier, "responseHeaderModifier"),
        ] {
            modifier.iter().for_each(|it| header_modifier(it, &format!("{at}.{field}"), problems));
        }
        if let Some(it) = &filter.request_mirror {
            mirror(it, &format!("{at}.requestMirror"), problems);
        }
        if let Some(it) = &filter.request_redirect {
            redirect(it, prefix, &format!("{at}.requestRedirect"), problems);
        }
        if let Some(it) = &filter.url_rewrite {
            let at = format!("{at}.urlRewrite");
            hostname(it.hostname.as_deref(), &at, problems);
            it.path.iter().for_each(|path| path_modifier(path, prefix, &format!("{at}.path"), problems));
        }
        if let Some(it) = &filter.cors {
            cors(it, &format!("{at}.cors"), problems);
        }
        if let Some(it) = &filter.external_auth {
            backend(&it.backend_ref, &format!("{at}.externalAuth.backendRef"), problems);
        }
    }
}

pub(super) fn check_grpc(filters: &[GrpcRouteFilter], at: &str, problems: &mut Problems<'_>) {
    use GrpcFilterType as Type;
    let kinds: Vec<_> = filters.iter().map(|filter| filter.kind).collect();
    once(&kinds, |kind| matches!(kind, Type::RequestMirror | Type::ExtensionRef), at, problems);
    for (index, filter) in filters.iter().enumerate() {
        let at = format!("{at}[{index}]");
        let given = [
            (Type::RequestHeaderModifier, filter.request_header_modifier.is_some(), "requestHeaderModifier"),
            (Type::ResponseHeaderModifier, filter.response_header_modifier.is_some(), "responseHeaderModifier"),
            (Type::RequestMirror, filter.request_mirror.is_some(), "requestMirror"),
            (Type::ExtensionRef, filter.extension_ref.is_some(), "extensionRef"),
        ];
        union(given.map(|(kind, given, field)| (kind == filter.kind, given, field)), &at, problems);
        for (modifier, field) in [
            (&filter.request_header_modifier, "requestHeaderModifier"),
            (&filter.response_header_modifier, "responseHeaderModifier"),
        ] {
            modifier.iter().for_each(|it| header_modifier(it, &format!("{at}.{field}"), problems));
        }
        if let Some(it) = &filter.request_mirror {
            mirror(it, &format!("{at}.requestMirror"), problems);
        }
    }
}

/// A kind of filter may be there once.
fn once<T: Copy + std::hash::Hash + Eq>(
    kinds: &[T],
    may_repeat: impl Fn(T) -> bool,
    at: &str,
    problems: &mut Problems<'_>,
) {
    let mut seen = HashSet::new();
    for (index, kind) in kinds.iter().enumerate().filter(|(_, kind)| !may_repeat(**kind)) {
        if !seen.insert(*kind) {
            problems.add(&format!("{at}[{index}].type"), "a type that no other filter beside it has", "");
        }
    }
}

/// Of the fields (whether `type` means it, whether it is given, its name) the one that is meant must be given alone.
fn union<const N: usize>(fields: [(bool, bool, &str); N], at: &str, problems: &mut Problems<'_>) {
    for (meant, given, field) in fields {
        let path = format!("{at}.{field}");
        match (meant, given) {
            (true, false) => problems.add(&path, "what the type says is done", ""),
            (false, true) => problems.add_value(&path, "given", "nothing: the type says otherwise", ""),
            (true, true) | (false, false) => {}
        }
    }
}

fn header_modifier(modifier: &HeaderModifier, at: &str, problems: &mut Problems<'_>) {
    for (headers, field) in [(&modifier.set, "set"), (&modifier.add, "add")] {
        for (index, header) in headers.iter().enumerate() {
            let at = format!("{at}.{field}[{index}]");
            if let Err(rule) = name::http_token(&header.name) {
                problems.add(&format!("{at}.name"), rule, "");
            }
            let visible = |byte: u8| byte.is_ascii_graphic() || byte == b' ' || byte == b'\t';
            let trimmed = header.value.trim_matches([' ', '\t']);
            if header.value.is_empty() || trimmed != header.value || !header.value.bytes().all(visible) {
                problems.add(&format!("{at}.value"), "visible ASCII, without white space at its ends", "");
            }
        }
    }
    for (index, text) in modifier.remove.iter().enumerate() {
        if let Err(rule) = name::http_token(text) {
            problems.add(&format!("{at}.remove[{index}]"), rule, "");
        }
    }
}

fn mirror(mirror: &RequestMirror, at: &str, problems: &mut Problems<'_>) {
    backend(&mirror.backend_ref, &format!("{at}.backendRef"), problems);
    if let Some(fraction) = &mirror.fraction {
        if mirror.percent.is_some() {
            problems.add_value(&format!("{at}.fraction"), "given", "either percent or fraction", "");
        }
        if fraction.numerator > fraction.denominator {
            let expected = format!("at most the denominator, {}", fraction.denominator);
            problems.add(&format!("{at}.fraction.numerator"), expected, "");
        }
    }
}

fn redirect(redirect: &RequestRedirect, prefix: Prefix, at: &str, problems: &mut Problems<'_>) {
    hostname(redirect.hostname.as_deref(), at, problems);
    redirect.path.iter().for_each(|path| path_modifier(path, prefix, &format!("{at}.path"), problems));
    if redirect.status_code.is_some_and(|code| ![301, 302, 303, 307, 308].contains(&code)) {
        problems.add(&format!("{at}.statusCode"), "301, 302, 303, 307 or 308", "");
    }
}

fn hostname(host: Option<&str>, at: &str, problems: &mut Problems<'_>) {
    if let Some(Err(rule)) = host.map(name::dns_subdomain) {
        problems.add(&format!("{at}.hostname"), rule, "");
    }
}

fn path_modifier(path: &PathModifier, prefix: Prefix, at: &str, problems: &mut Problems<'_>) {
    let replaces_prefix = path.kind == PathModifierType::ReplacePrefixMatch;
    let fields = [
        (!replaces_prefix, path.replace_full_path.is_some(), "replaceFullPath"),
        (replaces_prefix, path.replace_prefix_match.is_some(), "replacePrefixMatch"),
    ];
    union(fields, at, problems);
    for (text, field) in
        [(&path.replace_full_path, "replaceFullPath"), (&path.replace_prefix_match, "replacePrefixMatch")]
    {
        let Some(text) = text else { continue };
        let sound = text.is_empty() || text.starts_with('/');
        if !sound || text.len() > 1024 || !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            problems.add(&format!("{at}.{field}"), "an absolute path such as /books", "");
        }
    }
    if replaces_prefix && prefix == Prefix::NoneOrSeveral {
        let fix = "write a rule for each prefix";
        problems.add(&format!("{at}.type"), "ReplaceFullPath, or one match with a PathPrefix in the rule", fix);
    }
}

fn cors(cors: &Cors, at: &str, problems: &mut Problems<'_>) {
    let alone = |any: bool, count: usize| !any || count == 1;
    let lists = [
        (cors.allow_origins.iter().any(|it| it == "*"), cors.allow_origins.len(), "allowOrigins"),
        (cors.allow_methods.contains(&CorsMethod::Any), cors.allow_methods.len(), "allowMethods"),
        (cors.allow_headers.iter().any(|it| it == "*"), cors.allow_headers.len(), "allowHeaders"),
    ];
    for (_, _, field) in lists.into_iter().filter(|(any, count, _)| !alone(*any, *count)) {
        problems.add_value(&format!("{at}.{field}"), "given with * and others", "* alone, or others", "");
    }
    for (index, _) in cors.allow_origins.iter().enumerate().filter(|(_, origin)| !is_origin(origin)) {
        let expected = "an origin such as https://example.org or https://*.example.org, or *";
        problems.add(&format!("{at}.allowOrigins[{index}]"), expected, "");
    }
    for (headers, field) in [(&cors.allow_headers, "allowHeaders"), (&cors.expose_headers, "exposeHeaders")] {
        for (index, header) in headers.iter().enumerate() {
            if let Err(rule) = name::http_token(header) {
                problems.add(&format!("{at}.{field}[{index}]"), rule, "");
            }
        }
    }
}

fn is_origin(text: &str) -> bool {
    if text == "*" {
        return true;
    }
    let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else {
        return false;
    };
    let (host, port) = rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port)));
    let host = host.strip_prefix("*.").unwrap_or(host);
    let label = |label: &str| !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    (host == "*" || host.split('.').all(label)) && port.is_none_or(|port| port.parse::<u16>().is_ok())
}
