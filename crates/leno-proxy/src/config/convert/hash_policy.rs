//! What requests are kept together by ([`envoy.config.route.v3.RouteAction.HashPolicy`]).
//!
//! [`envoy.config.route.v3.RouteAction.HashPolicy`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#envoy-v3-api-msg-config-route-v3-routeaction-hashpolicy

use leno_engine::route::{CookieAttributes, HashBy, HashPolicy};
use leno_proto::{
    google::protobuf::Duration,
    v3::route::route_action::{
        HashPolicy as Proto,
        hash_policy::{Cookie, Header, PolicySpecifier},
    },
};

use super::{
    action,
    check::{Check, join},
};

pub(super) fn convert(check: &mut Check, path: &str, mut proto: Proto) -> Option<HashPolicy> {
    let terminal = std::mem::take(&mut proto.terminal);
    let by = match proto.policy_specifier.take() {
        Some(PolicySpecifier::Header(header)) => self::header(check, &join(path, "header"), header)?,
        Some(PolicySpecifier::Cookie(cookie)) => self::cookie(check, &join(path, "cookie"), cookie)?,
        Some(PolicySpecifier::ConnectionProperties(properties)) if properties.source_ip => HashBy::SourceIp,
        Some(PolicySpecifier::QueryParameter(query)) => {
            HashBy::Query(check.name(&join(path, "query_parameter.name"), query.name)?.into())
        }
        Some(PolicySpecifier::ConnectionProperties(_)) => {
            check.wrong(&join(path, "connection_properties.source_ip"), "false", "true");
            return None;
        }
        Some(PolicySpecifier::FilterState(_)) => {
            let instead = "header, cookie, connection_properties or query_parameter";
            return check.unsupported(path, "filter_state", instead);
        }
        None => {
            check.wrong(path, "nothing", "header, cookie, connection_properties or query_parameter");
            return None;
        }
    };
    check.rest(path, &proto);
    Some(HashPolicy { by, terminal })
}

fn header(check: &mut Check, path: &str, proto: Header) -> Option<HashBy> {
    let name = check.name(&join(path, "header_name"), proto.header_name)?.to_ascii_lowercase();
    let rewrite = match proto.regex_rewrite {
        Some(rewrite) => Some(action::substitution(check, &join(path, "regex_rewrite"), rewrite)?),
        None => None,
    };
    Some(HashBy::Header(name.into(), rewrite))
}

fn cookie(check: &mut Check, path: &str, proto: Cookie) -> Option<HashBy> {
    let Cookie { name, ttl, path: of, attributes } = proto;
    // Without a life there is no cookie to make: what requests bring counts, and nothing else.
    let is_made = ttl.is_some();
    let others = attributes.into_iter().map(|one| (one.name, one.value)).collect();
    let (name, attributes) = self::attributes(check, path, name, ttl, of, others)?;
    Some(HashBy::Cookie(name, is_made.then_some(attributes)))
}

/// A cookie's name and how it is made.
pub(super) fn attributes(
    check: &mut Check,
    path: &str,
    name: String,
    ttl: Option<Duration>,
    of: String,
    others: Vec<(String, String)>,
) -> Option<(Box<str>, CookieAttributes)> {
    let name = check.name(&join(path, "name"), name)?;
    let text = |check: &mut Check, field: &str, text: String| -> Box<str> {
        if text.bytes().any(|byte| byte.is_ascii_control() || byte == b';') {
            check.wrong(&join(path, field), format!("{text:?}"), "a text without ; and control characters");
        }
        text.into()
    };
    let name = text(check, "name", name);
    let ttl = match ttl {
        Some(ttl) => check.duration(&join(path, "ttl"), &ttl)?,
        None => std::time::Duration::ZERO,
    };
    let of = text(check, "path", of);
    let others = others.into_iter();
    let others = others.map(|(name, value)| (text(check, "attributes", name), text(check, "attributes", value)));
    let others = others.collect();
    Some((name, CookieAttributes { ttl, path: of, others }))
}
