//! HTTP filters, and what routes say for them.

mod cors;
mod ext_authz;
mod fault;
mod header_mutation;
mod jwt_authn;
mod jwt_provider;
mod local_rate_limit;
mod overrides;
pub(super) mod rate_limit;
mod rbac;
mod stateful_session;

use std::num::NonZeroU32;

use leno_engine::filter::{FilterConfig, HttpFilter};
use leno_proto::{
    google::protobuf::Any,
    v3::{
        buffer::Buffer,
        cors::Cors,
        http_connection_manager::{HttpFilter as Proto, http_filter::ConfigType},
        router::Router,
    },
};

pub(super) use self::{header_mutation::of_request as header_edits, local_rate_limit::bucket, overrides::overrides};
use super::check::{Check, at, join};

/// The type names of the filters.
mod type_name {
    pub(super) const ROUTER: &str = "envoy.extensions.filters.http.router.v3.Router";
    pub(super) const RBAC: &str = "envoy.extensions.filters.http.rbac.v3.RBAC";
    pub(super) const BUFFER: &str = "envoy.extensions.filters.http.buffer.v3.Buffer";
    pub(super) const CORS: &str = "envoy.extensions.filters.http.cors.v3.Cors";
    pub(super) const EXT_AUTHZ: &str = "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz";
    pub(super) const FAULT: &str = "envoy.extensions.filters.http.fault.v3.HTTPFault";
    pub(super) const HEADER_MUTATION: &str = "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation";
    pub(super) const JWT_AUTHN: &str = "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication";
    pub(super) const RATE_LIMIT: &str = "envoy.extensions.filters.http.ratelimit.v3.RateLimit";
    pub(super) const STATEFUL_SESSION: &str = "envoy.extensions.filters.http.stateful_session.v3.StatefulSession";
    pub(super) const LOCAL_RATE_LIMIT: &str = "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit";
}

/// The filters of a connection manager in their order; the router, which ends them, is left out.
pub(super) fn convert(check: &mut Check, path: &str, filters: Vec<Proto>) -> Vec<HttpFilter> {
    let mut found = Vec::with_capacity(filters.len());
    let mut routed = false;
    for (index, proto) in filters.into_iter().enumerate() {
        let path = at(path, "http_filters", index);
        if routed {
            check.wrong(&path, proto.name.clone(), "nothing after the router");
        }
        match filter(check, &path, proto) {
            Some(Made::Filter(filter)) => found.push(filter),
            Some(Made::Router) => routed = true,
            None => {}
        }
    }
    if !routed {
        check.wrong(&join(path, "http_filters"), "without a router", "the router as the last filter");
    }
    found
}

/// What a filter is.
enum Made {
    Filter(HttpFilter),
    Router,
}

fn filter(check: &mut Check, path: &str, mut proto: Proto) -> Option<Made> {
    let name = std::mem::take(&mut proto.name);
    let disabled = std::mem::take(&mut proto.disabled);
    // What is not known is refused all the same: that it may be left out is no reason to.
    let config = match proto.config_type.take() {
        Some(ConfigType::TypedConfig(config)) => config,
        Some(ConfigType::ConfigDiscovery(_)) => {
            return check.unsupported(path, "config_discovery", "typed_config");
        }
        None => {
            check.wrong(path, name, "a filter with typed_config");
            return None;
        }
    };
    check.rest(path, &proto);
    let path = join(path, "typed_config");
    if type_of(&config) == type_name::ROUTER {
        if disabled {
            check.wrong(&path, "disabled", "the router, which cannot be");
        }
        if let Some(router) = check.unpack::<Router>(&path, &config) {
            check.rest(&path, &router);
        }
        return Some(Made::Router);
    }
    let config = self::config(check, &path, &config)?;
    Some(Made::Filter(HttpFilter { name: name.into(), disabled, config }))
}

/// What a filter does.
fn config(check: &mut Check, path: &str, config: &Any) -> Option<FilterConfig> {
    match type_of(config) {
        type_name::RBAC => check.unpack(path, config).map(|proto| rbac::convert(check, path, proto)),
        type_name::BUFFER => check.unpack(path, config).and_then(|proto| buffer(check, path, proto)),
        type_name::CORS => check.unpack(path, config).map(|proto: Cors| {
            check.rest(path, &proto);
            FilterConfig::Cors(None)
        }),
        type_name::EXT_AUTHZ => check.unpack(path, config).and_then(|proto| ext_authz::convert(check, path, proto)),
        type_name::FAULT => check.unpack(path, config).map(|proto| fault::convert(check, path, proto)),
        type_name::HEADER_MUTATION => {
            check.unpack(path, config).map(|proto| header_mutation::convert(check, path, proto))
        }
        type_name::JWT_AUTHN => check.unpack(path, config).map(|proto| jwt_authn::convert(check, path, proto)),
        type_name::RATE_LIMIT => check.unpack(path, config).and_then(|proto| rate_limit::convert(check, path, proto)),
        type_name::STATEFUL_SESSION => {
            check.unpack(path, config).and_then(|proto| stateful_session::convert(check, path, proto))
        }
        type_name::LOCAL_RATE_LIMIT => {
            check.unpack(path, config).map(|proto| local_rate_limit::convert(check, path, proto))
        }
        other => {
            check.wrong(
                path,
                other,
                "a filter that Leno has: RBAC, Buffer, Cors, ExtAuthz, HTTPFault, HeaderMutation, JwtAuthentication, LocalRateLimit, RateLimit, StatefulSession",
            );
            None
        }
    }
}

fn buffer(check: &mut Check, path: &str, mut proto: Buffer) -> Option<FilterConfig> {
    let bytes = NonZeroU32::new(proto.max_request_bytes.take().unwrap_or_default().value);
    if bytes.is_none() {
        check.wrong(&join(path, "max_request_bytes"), "0", "at least 1");
    }
    check.rest(path, &proto);
    bytes.map(FilterConfig::Buffer)
}

/// The name of the message inside.
fn type_of(config: &Any) -> &str {
    config.type_url.rsplit('/').next().unwrap_or_default()
}
