//! Sessions that stay with one endpoint (GEP-1619).

use leno_manifest::{
    gateway::session::{CookieLifetime, SessionPersistence as Object, SessionType},
    syntax::duration,
};
use leno_model::route::handling::{SessionKind, SessionPersistence};

use super::{backend::Resolver, rule::PartShare};

/// Where a rule stands.
pub(super) struct Place<'a> {
    /// Its field.
    pub(super) at: &'a str,
    /// Its name in the route.
    pub(super) rule: &'a str,
}

/// How a rule keeps sessions, if it does.
pub(super) fn of(
    session: Option<&Object>,
    shares: &[PartShare<'_>],
    place: &Place<'_>,
    resolver: &mut Resolver<'_>,
) -> Option<SessionPersistence> {
    let session = session?;
    let at = format!("{}.sessionPersistence", place.at);
    if session.idle_timeout.is_some() {
        let expected = "it not to be there: an endpoint's address does not say when it was last used";
        resolver.unsupported(&format!("{at}.idleTimeout"), expected, "");
    }
    let lifetime = session.cookie_config.as_ref().and_then(|cookie| cookie.lifetime_type);
    let absolute = session.absolute_timeout.as_deref().and_then(duration::parse_gateway);
    let absolute = absolute.filter(|time| !time.is_zero());
    let is_permanent = lifetime == Some(CookieLifetime::Permanent);
    if absolute.is_some() && !is_permanent {
        let fix = "a cookie with the lifetimeType Permanent has one";
        resolver.unsupported(&format!("{at}.absoluteTimeout"), "it not to be there", fix);
    }
    if shares.iter().filter(|(_, weight, _)| *weight > 0).count() > 1 {
        let expected = "it not to be there beside several backends with a weight";
        resolver.unsupported(&at, expected, "write it in a rule that leads to one backend");
    }
    let own = || format!("leno-session-{:08x}", hash(&format!("{} {}", resolver.manifest.key(), place.rule)));
    Some(SessionPersistence {
        name: session.session_name.clone().unwrap_or_else(own),
        kind: match session.kind {
            Some(SessionType::Header) => SessionKind::Header,
            Some(SessionType::Cookie) | None => SessionKind::Cookie(absolute),
        },
    })
}

/// A number by which rules without a name of their own differ (FNV-1a). It must stay: callers have it.
fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
