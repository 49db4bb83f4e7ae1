//! What rules of HTTPRoutes and GRPCRoutes have in common.

use std::time::Duration;

use crate::{
    gateway::{
        http_route::{NamedMatch, ValueMatchType},
        session::{CookieLifetime, SessionPersistence, SessionType},
    },
    problem::Problems,
    syntax::{duration, name, regular_expression},
};

/// Headers or parameters that requests are told apart by.
pub(super) fn named(matches: &[NamedMatch], at: &str, problems: &mut Problems<'_>) {
    for (index, one) in matches.iter().enumerate() {
        let at = format!("{at}[{index}]");
        if let Err(rule) = name::http_token(&one.name) {
            problems.add(&format!("{at}.name"), rule, "");
        }
        match one.kind {
            ValueMatchType::Exact if one.value.is_empty() => {
                problems.add(&format!("{at}.value"), "at least one character", "");
            }
            ValueMatchType::Exact => {}
            ValueMatchType::RegularExpression => regex(&one.value, &format!("{at}.value"), problems),
        }
    }
}

pub(super) fn regex(text: &str, field: &str, problems: &mut Problems<'_>) {
    if text.is_empty() {
        problems.add(field, "a regular expression (RE2)", "");
    } else if let Err(reason) = regular_expression::check(text) {
        problems.add(field, format!("a regular expression (RE2): {reason}"), "");
    }
}

/// A length of time, if it is given and sound.
pub(super) fn time(text: Option<&String>, field: &str, problems: &mut Problems<'_>) -> Option<Duration> {
    let text = text?;
    let time = duration::parse_gateway(text);
    if time.is_none() {
        problems.add(field, duration::EXPECTED_GATEWAY, "");
    }
    time
}

pub(super) fn session(session: &SessionPersistence, at: &str, problems: &mut Problems<'_>) {
    let at = format!("{at}.sessionPersistence");
    if let Some(Err(rule)) = session.session_name.as_deref().map(name::http_token) {
        problems.add(&format!("{at}.sessionName"), rule, "");
    }
    time(session.absolute_timeout.as_ref(), &format!("{at}.absoluteTimeout"), problems);
    time(session.idle_timeout.as_ref(), &format!("{at}.idleTimeout"), problems);
    let lifetime = session.cookie_config.as_ref().and_then(|cookie| cookie.lifetime_type);
    if lifetime == Some(CookieLifetime::Permanent) && session.absolute_timeout.is_none() {
        problems.add(&format!("{at}.absoluteTimeout"), "how long a permanent cookie lasts", "");
    }
    if session.kind == Some(SessionType::Header) && session.cookie_config.is_some() {
        problems.add_value(&format!("{at}.cookieConfig"), "given", "none where the type is Header", "");
    }
}
