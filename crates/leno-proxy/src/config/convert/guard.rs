//! Network filters that let connections pass or not: [RBAC], [local rate limit], [connection limit].
//!
//! [RBAC]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/network/rbac/v3/rbac.proto
//! [local rate limit]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/network/local_ratelimit/v3/local_rate_limit.proto
//! [connection limit]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/network/connection_limit/v3/connection_limit.proto

use std::time::Duration;

use leno_engine::filter::AccessControl;
use leno_proto::v3::{
    connection_limit::ConnectionLimit as LimitProto, network_local_ratelimit::LocalRateLimit, network_rbac::Rbac,
};

use super::{
    super::{ConnectionLimit, Guard},
    check::{Check, join},
    filter::bucket,
    rbac,
};

pub(super) const ACCESS: &str = "envoy.extensions.filters.network.rbac.v3.RBAC";
pub(super) const RATE: &str = "envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit";
pub(super) const CONNECTIONS: &str = "envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit";

pub(super) fn access(check: &mut Check, path: &str, mut proto: Rbac) -> Option<Guard> {
    proto.stat_prefix.clear();
    proto.shadow_rules_stat_prefix.clear();
    let (rules, shadow) = (proto.rules.take(), proto.shadow_rules.take());
    check.rest(path, &proto);
    // Rules that were forgotten would let everything pass.
    if rules.is_none() && shadow.is_none() {
        check.wrong(&join(path, "rules"), "missing", "rules or shadow_rules");
        return None;
    }
    let mut of = |field: &str, rules: Option<_>| match rules {
        None => Some(None),
        Some(rules) => rbac::convert(check, &join(path, field), Some(rules)).map(Some),
    };
    let (rules, shadow) = (of("rules", rules), of("shadow_rules", shadow));
    Some(Guard::Access(AccessControl { rules: rules?, shadow: shadow?, ..AccessControl::default() }))
}

pub(super) fn rate(check: &mut Check, path: &str, mut proto: LocalRateLimit) -> Option<Guard> {
    let stat_prefix = check.name(&join(path, "stat_prefix"), std::mem::take(&mut proto.stat_prefix));
    let Some(tokens) = proto.token_bucket.take() else {
        check.wrong(&join(path, "token_bucket"), "missing", "a token bucket");
        return None;
    };
    let bucket = bucket(check, &join(path, "token_bucket"), &tokens);
    check.rest(path, &proto);
    Some(Guard::Rate { stat_prefix: stat_prefix?.into(), bucket: bucket? })
}

pub(super) fn connections(check: &mut Check, path: &str, mut proto: LimitProto) -> Option<Guard> {
    let stat_prefix = check.name(&join(path, "stat_prefix"), std::mem::take(&mut proto.stat_prefix));
    let max = proto.max_connections.take().map_or(0, |max| max.value);
    if max == 0 {
        check.wrong(&join(path, "max_connections"), "0", "at least 1");
    }
    let delay = check.duration_or(&join(path, "delay"), proto.delay.take(), Duration::ZERO);
    check.rest(path, &proto);
    Some(Guard::Connections { stat_prefix: stat_prefix?.into(), limit: ConnectionLimit::new(max), delay })
}
