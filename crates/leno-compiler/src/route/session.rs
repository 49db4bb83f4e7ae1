//! Sessions that stay with one endpoint ([`stateful_session`]).
//!
//! [`stateful_session`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/stateful_session/v3/stateful_session.proto

use std::time::Duration;

use leno_model::route::handling::{SessionKind, SessionPersistence};
use leno_proto::{
    any,
    google::protobuf::Any,
    v3::{
        cookie_session::CookieBasedSessionState,
        core::TypedExtensionConfig,
        header_session::HeaderBasedSessionState,
        http_type::Cookie,
        stateful_session::{StatefulSession, StatefulSessionPerRoute, stateful_session_per_route::Override},
    },
};

use crate::message::duration;

/// The filter.
pub(crate) const FILTER: &str = "envoy.filters.http.stateful_session";

/// What a route says for the filter. Where the endpoint is not there any more, another is chosen.
pub(super) fn of(session: &SessionPersistence) -> Any {
    let (name, config) = match session.kind {
        SessionKind::Cookie(lifetime) => {
            let cookie = Cookie {
                name: session.name.clone(),
                ttl: Some(duration(lifetime.unwrap_or(Duration::ZERO))),
                path: "/".into(),
                ..Default::default()
            };
            ("envoy.http.stateful_session.cookie", any::pack(&CookieBasedSessionState { cookie: Some(cookie) }))
        }
        SessionKind::Header => {
            let state = HeaderBasedSessionState { name: session.name.clone() };
            ("envoy.http.stateful_session.header", any::pack(&state))
        }
    };
    let state = TypedExtensionConfig { name: name.to_owned(), typed_config: Some(config) };
    let own = StatefulSession { session_state: Some(state), ..Default::default() };
    any::pack(&StatefulSessionPerRoute { r#override: Some(Override::StatefulSession(own)) })
}
