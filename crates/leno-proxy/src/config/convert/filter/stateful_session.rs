//! Sessions that stay with one endpoint ([`envoy.extensions.filters.http.stateful_session.v3.StatefulSession`]).
//!
//! [`envoy.extensions.filters.http.stateful_session.v3.StatefulSession`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/stateful_session/v3/stateful_session.proto

use leno_engine::filter::{FilterConfig, Override, SessionState, StatefulSession};
use leno_proto::v3::{
    cookie_session::CookieBasedSessionState,
    core::TypedExtensionConfig,
    header_session::HeaderBasedSessionState,
    http_type::Cookie,
    stateful_session::{
        StatefulSession as Proto, StatefulSessionPerRoute, stateful_session_per_route::Override as RouteOverride,
    },
};

use super::{
    super::{
        check::{Check, join},
        hash_policy,
    },
    type_of,
};

/// The status where the endpoint that is demanded is not there.
const NOT_FOUND: u32 = 503;

pub(super) fn convert(check: &mut Check, path: &str, mut proto: Proto) -> Option<FilterConfig> {
    let state = proto.session_state.take();
    let strict = std::mem::take(&mut proto.strict);
    // There are no such statistics.
    proto.stat_prefix.clear();
    // Says something of strict sessions alone.
    if !strict || proto.status_on_strict_destination_not_found == NOT_FOUND {
        proto.status_on_strict_destination_not_found = 0;
    }
    check.rest(path, &proto);
    let Some(state) = state else { return Some(FilterConfig::StatefulSession(None)) };
    let state = self::state(check, &join(path, "session_state"), state)?;
    Some(FilterConfig::StatefulSession(Some(StatefulSession { state, strict }.into())))
}

/// What a route says.
pub(super) fn of_route(check: &mut Check, path: &str, proto: StatefulSessionPerRoute) -> Option<Override> {
    match proto.r#override {
        Some(RouteOverride::Disabled(true)) => Some(Override::Disabled),
        Some(RouteOverride::StatefulSession(proto)) => {
            convert(check, &join(path, "stateful_session"), proto).map(Override::Config)
        }
        Some(RouteOverride::Disabled(false)) | None => {
            check.wrong(path, "nothing", "disabled: true, or stateful_session");
            None
        }
    }
}

fn state(check: &mut Check, path: &str, mut proto: TypedExtensionConfig) -> Option<SessionState> {
    proto.name.clear();
    let config = proto.typed_config.take().unwrap_or_default();
    check.rest(path, &proto);
    let path = join(path, "typed_config");
    match type_of(&config) {
        "envoy.extensions.http.stateful_session.cookie.v3.CookieBasedSessionState" => {
            let mut proto: CookieBasedSessionState = check.unpack(&path, &config)?;
            let cookie = proto.cookie.take();
            check.rest(&path, &proto);
            let Some(cookie) = cookie else {
                check.wrong(&join(&path, "cookie"), "missing", "a cookie with a name");
                return None;
            };
            let Cookie { name, ttl, path: of, attributes } = cookie;
            let path = join(&path, "cookie");
            let attributes = attributes.into_iter().map(|one| (one.name, one.value)).collect();
            let (name, attributes) = hash_policy::attributes(check, &path, name, ttl, of, attributes)?;
            Some(SessionState::Cookie(name, attributes))
        }
        "envoy.extensions.http.stateful_session.header.v3.HeaderBasedSessionState" => {
            let mut proto: HeaderBasedSessionState = check.unpack(&path, &config)?;
            let name = check.name(&join(&path, "name"), std::mem::take(&mut proto.name));
            check.rest(&path, &proto);
            Some(SessionState::Header(name?.to_ascii_lowercase().into()))
        }
        other => {
            check.wrong(&path, other, "CookieBasedSessionState or HeaderBasedSessionState");
            None
        }
    }
}
