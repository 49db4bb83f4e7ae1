//! What routes say for filters (`typed_per_filter_config`).

use std::collections::HashMap;

use leno_engine::filter::{FilterConfig, Override, Overrides};
use leno_proto::{
    google::protobuf::Any,
    v3::{
        buffer::{BufferPerRoute, buffer_per_route},
        cors::CorsPolicy,
        header_mutation::HeaderMutationPerRoute,
        http_rbac::RbacPerRoute,
        route::FilterConfig as FilterConfigProto,
    },
};

use super::super::check::{Check, join};
use super::{
    buffer, cors, ext_authz, fault, header_mutation, jwt_authn, local_rate_limit, rate_limit, rbac, stateful_session,
    type_name, type_of,
};

/// What is said at one place, by the names of the filters.
pub(in super::super) fn overrides(check: &mut Check, path: &str, said: &mut HashMap<String, Any>) -> Overrides {
    let mut said: Vec<_> = std::mem::take(said).into_iter().collect();
    said.sort_by(|one, other| one.0.cmp(&other.0));
    let said = said.into_iter().filter_map(|(name, config)| {
        let path = format!("{}[{name:?}]", join(path, "typed_per_filter_config"));
        Some((name.into(), convert(check, &path, &config, true)?))
    });
    Overrides::new(said.collect())
}

/// What is said for one filter. `wrapped`: whether it may stand in a `FilterConfig`.
fn convert(check: &mut Check, path: &str, config: &Any, wrapped: bool) -> Option<Override> {
    if !wrapped || type_of(config) != "envoy.config.route.v3.FilterConfig" {
        return plain(check, path, config);
    }
    let mut proto: FilterConfigProto = check.unpack(path, config)?;
    let disabled = std::mem::take(&mut proto.disabled);
    let inner = proto.config.take();
    check.rest(path, &proto);
    match (disabled, inner) {
        (true, _) => Some(Override::Disabled),
        (false, Some(inner)) => convert(check, &join(path, "config"), &inner, false),
        (false, None) => Some(Override::Enabled),
    }
}

/// What the filter's own message says.
fn plain(check: &mut Check, path: &str, config: &Any) -> Option<Override> {
    let config = match type_of(config) {
        "envoy.extensions.filters.http.rbac.v3.RBACPerRoute" => {
            let mut proto: RbacPerRoute = check.unpack(path, config)?;
            let rbac = proto.rbac.take();
            check.rest(path, &proto);
            match rbac {
                Some(rbac) => rbac::convert(check, &join(path, "rbac"), rbac),
                None => return Some(Override::Disabled),
            }
        }
        "envoy.extensions.filters.http.buffer.v3.BufferPerRoute" => {
            let proto = check.unpack(path, config)?;
            return buffer_of_route(check, path, proto);
        }
        "envoy.extensions.filters.http.cors.v3.CorsPolicy" => {
            let proto: CorsPolicy = check.unpack(path, config)?;
            FilterConfig::Cors(Some(cors::convert(check, path, proto).into()))
        }
        "envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute" => {
            let proto = check.unpack(path, config)?;
            return ext_authz::of_route(check, path, proto);
        }
        "envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute" => {
            let mut proto: HeaderMutationPerRoute = check.unpack(path, config)?;
            let mutations = proto.mutations.take();
            check.rest(path, &proto);
            header_mutation::mutations(check, &join(path, "mutations"), mutations, false)
        }
        "envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig" => {
            let proto = check.unpack(path, config)?;
            return jwt_authn::of_route(check, path, proto);
        }
        "envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute" => {
            let proto = check.unpack(path, config)?;
            rate_limit::of_route(check, path, proto)
        }
        "envoy.extensions.filters.http.stateful_session.v3.StatefulSessionPerRoute" => {
            let proto = check.unpack(path, config)?;
            return stateful_session::of_route(check, path, proto);
        }
        type_name::FAULT => {
            let proto = check.unpack(path, config)?;
            fault::convert(check, path, proto)
        }
        type_name::LOCAL_RATE_LIMIT => {
            let proto = check.unpack(path, config)?;
            local_rate_limit::convert(check, path, proto)
        }
        other => {
            let expected = "RBACPerRoute, BufferPerRoute, CorsPolicy, ExtAuthzPerRoute, HTTPFault, HeaderMutationPerRoute, LocalRateLimit, RateLimitPerRoute, StatefulSessionPerRoute \
                            or FilterConfig";
            check.wrong(path, other, expected);
            return None;
        }
    };
    Some(Override::Config(config))
}

/// How many bytes a body may have here.
fn buffer_of_route(check: &mut Check, path: &str, proto: BufferPerRoute) -> Option<Override> {
    match proto.r#override {
        Some(buffer_per_route::Override::Disabled(true)) => Some(Override::Disabled),
        Some(buffer_per_route::Override::Buffer(proto)) => {
            buffer(check, &join(path, "buffer"), proto).map(Override::Config)
        }
        Some(buffer_per_route::Override::Disabled(false)) | None => {
            check.wrong(path, "nothing", "disabled: true, or buffer");
            None
        }
    }
}
