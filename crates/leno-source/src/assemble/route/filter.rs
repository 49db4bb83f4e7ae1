//! Filters of rules and of backends.

use std::time::Duration;

use leno_manifest::gateway::filter::{
    Cors, CorsMethod, HeaderModifier, HttpFilterType, HttpHeader, HttpRouteFilter, PathModifier, PathModifierType,
    RedirectScheme, RequestMirror, RequestRedirect,
};
use leno_model::route::{
    Backend,
    handling::{self, HeaderChanges, Mirror, Origin, PathRewrite, Redirect, Scheme},
};

use super::{
    backend::{Payload, Resolver},
    rule::extension,
};

/// The status of a redirect that names none.
const FOUND: u16 = 302;
/// How many seconds a browser remembers what pages may do, when nothing is said.
const MAX_AGE: u32 = 5;

/// What filters say.
#[derive(Default)]
pub(super) struct Filtered {
    pub(super) request_headers: HeaderChanges,
    pub(super) response_headers: HeaderChanges,
    pub(super) cors: Option<handling::Cors>,
    pub(super) redirect: Option<Redirect>,
    pub(super) host: Option<String>,
    pub(super) path: Option<PathRewrite>,
    pub(super) mirrors: Vec<Mirror>,
    /// One is named that is not there: requests must not pass without it.
    pub(super) broken: bool,
}

/// The filters of a rule.
pub(super) fn all(filters: &[HttpRouteFilter], at: &str, resolver: &mut Resolver<'_>) -> Filtered {
    let mut made = Filtered::default();
    for (index, filter) in filters.iter().enumerate() {
        let at = format!("{at}[{index}]");
        one(filter, &at, &mut made, resolver);
    }
    made
}

/// The filters of a backend: those that Envoy has for a share of the requests.
pub(super) fn of_backend(filters: &[HttpRouteFilter], at: &str, resolver: &mut Resolver<'_>) -> Filtered {
    let mut made = Filtered::default();
    for (index, filter) in filters.iter().enumerate() {
        let at = format!("{at}[{index}]");
        match filter.kind {
            HttpFilterType::RequestHeaderModifier
            | HttpFilterType::ResponseHeaderModifier
            | HttpFilterType::ExtensionRef => one(filter, &at, &mut made, resolver),
            HttpFilterType::RequestMirror
            | HttpFilterType::RequestRedirect
            | HttpFilterType::UrlRewrite
            | HttpFilterType::Cors
            | HttpFilterType::ExternalAuth => {
                let expected = "RequestHeaderModifier or ResponseHeaderModifier, as filters of a backend";
                resolver.unsupported(&format!("{at}.type"), expected, "write it as a filter of the rule");
            }
        }
    }
    made
}

fn one(filter: &HttpRouteFilter, at: &str, made: &mut Filtered, resolver: &mut Resolver<'_>) {
    if let Some(modifier) = &filter.request_header_modifier {
        made.request_headers = changes(modifier, &format!("{at}.requestHeaderModifier"), resolver);
    }
    if let Some(modifier) = &filter.response_header_modifier {
        made.response_headers = changes(modifier, &format!("{at}.responseHeaderModifier"), resolver);
    }
    if let Some(it) = &filter.request_mirror {
        made.mirrors.extend(mirror(it, &format!("{at}.requestMirror"), resolver));
    }
    if let Some(it) = &filter.request_redirect {
        made.redirect = Some(redirect(it));
    }
    if let Some(it) = &filter.url_rewrite {
        made.host.clone_from(&it.hostname);
        made.path = it.path.as_ref().map(path);
    }
    if let Some(it) = &filter.cors {
        made.cors = Some(cors(it, &format!("{at}.cors"), resolver));
    }
    if filter.external_auth.is_some() {
        let expected = "it not to be there: Leno asks no other service yet";
        resolver.unsupported(&format!("{at}.externalAuth"), expected, "");
    }
    if filter.extension_ref.is_some() {
        extension(at, resolver);
        made.broken = true;
    }
}

fn changes(modifier: &HeaderModifier, at: &str, resolver: &mut Resolver<'_>) -> HeaderChanges {
    let lists = [(&modifier.set, "set"), (&modifier.add, "add")];
    let written = lists.into_iter().flat_map(|(headers, field)| {
        headers.iter().enumerate().map(move |(index, header)| (&header.name, format!("{field}[{index}].name")))
    });
    let removed = modifier.remove.iter().enumerate().map(|(index, name)| (name, format!("remove[{index}]")));
    for (name, field) in written.chain(removed) {
        if name.eq_ignore_ascii_case("host") {
            let fix = "a URLRewrite with a hostname changes it";
            resolver.unsupported(&format!("{at}.{field}"), "another header than host", fix);
        }
    }
    let lower = |header: &HttpHeader| (header.name.to_ascii_lowercase(), header.value.clone());
    HeaderChanges {
        remove: modifier.remove.iter().map(|name| name.to_ascii_lowercase()).collect(),
        set: modifier.set.iter().map(lower).collect(),
        add: modifier.add.iter().map(lower).collect(),
    }
}

/// Copies; none where they cannot go: the requests themselves are none the worse.
fn mirror(mirror: &RequestMirror, at: &str, resolver: &mut Resolver<'_>) -> Option<Mirror> {
    let per_million = match (&mirror.fraction, mirror.percent) {
        (Some(fraction), _) => {
            let denominator = u64::from(fraction.denominator.max(1));
            u32::try_from(u64::from(fraction.numerator) * 1_000_000 / denominator).unwrap_or(1_000_000)
        }
        (None, Some(percent)) => percent * 10_000,
        (None, None) => 1_000_000,
    };
    let backend = resolver.backend(&mirror.backend_ref, &format!("{at}.backendRef"), Payload::Requests);
    (backend != Backend::Unresolved).then_some(Mirror { backend, per_million })
}

fn redirect(redirect: &RequestRedirect) -> Redirect {
    Redirect {
        status: redirect.status_code.unwrap_or(FOUND),
        scheme: redirect.scheme.map(|scheme| match scheme {
            RedirectScheme::Http => Scheme::Http,
            RedirectScheme::Https => Scheme::Https,
        }),
        host: redirect.hostname.clone(),
        port: redirect.port,
        path: redirect.path.as_ref().map(path),
    }
}

fn path(path: &PathModifier) -> PathRewrite {
    match path.kind {
        PathModifierType::ReplaceFullPath => PathRewrite::Full(path.replace_full_path.clone().unwrap_or_default()),
        PathModifierType::ReplacePrefixMatch => {
            let to = path.replace_prefix_match.as_deref().unwrap_or_default();
            PathRewrite::Prefix(to.trim_end_matches('/').to_owned())
        }
    }
}

fn cors(cors: &Cors, at: &str, resolver: &mut Resolver<'_>) -> handling::Cors {
    let credentials = cors.allow_credentials == Some(true);
    for (headers, field) in [(&cors.allow_headers, "allowHeaders"), (&cors.expose_headers, "exposeHeaders")] {
        if credentials && headers.iter().any(|header| header == "*") {
            // Browsers take `*` for a header of that name then.
            let expected = "names of headers beside allowCredentials";
            resolver.unsupported(&format!("{at}.{field}"), expected, "");
        }
    }
    let methods = if credentials && cors.allow_methods.contains(&CorsMethod::Any) {
        CorsMethod::ALL.to_vec()
    } else {
        cors.allow_methods.clone()
    };
    handling::Cors {
        origins: cors.allow_origins.iter().map(|origin| self::origin(origin)).collect(),
        credentials,
        methods: methods.iter().map(|method| method.as_str().to_owned()).collect(),
        headers: cors.allow_headers.clone(),
        expose: cors.expose_headers.clone(),
        max_age: Duration::from_secs(cors.max_age.unwrap_or(MAX_AGE).into()),
    }
}

fn origin(text: &str) -> Origin {
    match text {
        "*" => Origin::Any,
        _ if text.contains('*') => Origin::Regex(text.replace('.', r"\.").replace('*', "[^/:]+")),
        _ => Origin::Exact(text.to_owned()),
    }
}
