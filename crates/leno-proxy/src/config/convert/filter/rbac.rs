//! Access rules of requests ([`envoy.extensions.filters.http.rbac.v3.RBAC`]).
//!
//! [`envoy.extensions.filters.http.rbac.v3.RBAC`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/rbac/v3/rbac.proto

use leno_engine::filter::{AccessControl, FilterConfig};
use leno_proto::v3::http_rbac::Rbac;

use super::super::{
    check::{Check, join},
    rbac,
};

pub(super) fn convert(check: &mut Check, path: &str, mut proto: Rbac) -> FilterConfig {
    // Rules that were forgotten would let everything pass.
    if proto.rules.is_none() && proto.shadow_rules.is_none() {
        check.wrong(&join(path, "rules"), "missing", "rules or shadow_rules");
    }
    let mut of = |field: &str, rules: Option<_>| {
        let rules = rules?;
        rbac::convert(check, &join(path, field), Some(rules))
    };
    let rules = of("rules", proto.rules.take());
    let shadow = of("shadow_rules", proto.shadow_rules.take());
    // Denials are counted by who called whom, not under a prefix.
    proto.rules_stat_prefix.clear();
    let shadow_prefix = std::mem::take(&mut proto.shadow_rules_stat_prefix).into();
    check.rest(path, &proto);
    FilterConfig::AccessControl(AccessControl { rules, shadow, shadow_prefix }.into())
}
