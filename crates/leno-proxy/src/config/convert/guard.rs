//! Network filters that let connections pass or not: [RBAC], [local rate limit], [rate limit], [connection limit].
//!
//! [RBAC]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/network/rbac/v3/rbac.proto
//! [local rate limit]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/network/local_ratelimit/v3/local_rate_limit.proto
//! [rate limit]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/network/ratelimit/v3/rate_limit.proto
//! [connection limit]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/network/connection_limit/v3/connection_limit.proto

use std::time::Duration;

use leno_engine::{
    filter::AccessControl,
    route::{Fillable, Format},
};
use leno_proto::v3::{
    common_ratelimit::RateLimitDescriptor, connection_limit::ConnectionLimit as LimitProto,
    network_local_ratelimit::LocalRateLimit, network_ratelimit::RateLimit, network_rbac::Rbac,
};

use super::{
    super::{ConnectionLimit, Guard, Registry, ServiceLimit},
    check::{Check, at, join},
    filter::{
        bucket,
        rate_limit::{self, TIMEOUT},
    },
    header, rbac,
};

pub(super) const ACCESS: &str = "envoy.extensions.filters.network.rbac.v3.RBAC";
pub(super) const RATE: &str = "envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit";
pub(super) const SERVICE: &str = "envoy.extensions.filters.network.ratelimit.v3.RateLimit";
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

pub(super) fn service(check: &mut Check, path: &str, mut proto: RateLimit, registry: &mut Registry) -> Option<Guard> {
    let stat_prefix = check.name(&join(path, "stat_prefix"), std::mem::take(&mut proto.stat_prefix));
    let domain = check.name(&join(path, "domain"), std::mem::take(&mut proto.domain));
    let timeout = check.duration_or(&join(path, "timeout"), proto.timeout.take(), TIMEOUT);
    let service =
        rate_limit::service(check, &join(path, "rate_limit_service"), proto.rate_limit_service.take(), timeout);
    let descriptors = std::mem::take(&mut proto.descriptors);
    if descriptors.is_empty() {
        check.wrong(&join(path, "descriptors"), "empty", "at least one");
    }
    let descriptors = descriptors.into_iter().enumerate();
    let descriptors = descriptors.map(|(index, one)| descriptor(check, &at(path, "descriptors", index), one)).collect();
    let failure_denies = std::mem::take(&mut proto.failure_mode_deny);
    check.rest(path, &proto);
    let service = service?;
    let cluster = registry.cluster(&service.cluster);
    let (stat_prefix, domain) = (stat_prefix?.into(), domain?.into());
    Some(Guard::Service(Box::new(ServiceLimit { stat_prefix, domain, service, cluster, descriptors, failure_denies })))
}

fn descriptor(check: &mut Check, path: &str, mut proto: RateLimitDescriptor) -> Vec<(Box<str>, Format)> {
    let entries = std::mem::take(&mut proto.entries);
    if entries.is_empty() {
        check.wrong(&join(path, "entries"), "empty", "at least one");
    }
    let mut made = Vec::with_capacity(entries.len());
    for (index, entry) in entries.into_iter().enumerate() {
        let path = at(path, "entries", index);
        let key = check.name(&join(&path, "key"), entry.key);
        let value = check.name(&join(&path, "value"), entry.value);
        match value.map(|value| (Format::parse(&value, Fillable::Request), value)) {
            Some((Ok(format), _)) => made.extend(key.map(|key| (key.into(), format))),
            Some((Err(wrong), value)) => {
                check.wrong(&join(&path, "value"), value, header::operators(&wrong));
            }
            None => {}
        }
    }
    check.rest(path, &proto);
    made
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
