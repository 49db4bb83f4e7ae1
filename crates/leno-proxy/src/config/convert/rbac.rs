//! Access rules ([`envoy.config.rbac.v3.RBAC`]).
//!
//! [`envoy.config.rbac.v3.RBAC`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/rbac/v3/rbac.proto

use std::ops::RangeInclusive;

use leno_engine::{
    authorization::{Action, Cidr, Permission, Policy, Principal, Rbac},
    metadata::MetadataMatcher,
};
use leno_proto::v3::{
    core::CidrRange,
    matcher::{PathMatcher, path_matcher},
    rbac::{
        MetadataSource, Permission as PermissionProto, Policy as PolicyProto, Principal as PrincipalProto,
        Rbac as Proto, SourcedMetadata, permission::Rule, principal::Identifier, rbac::Action as ActionProto,
    },
    r#type::Int32Range,
};

use super::{
    check::{Check, at, join},
    matcher, metadata,
};

/// The rules; none at all would let everything pass, so they must be there.
pub(super) fn convert(check: &mut Check, path: &str, proto: Option<Proto>) -> Option<Rbac> {
    let Some(mut proto) = proto else {
        check.wrong(path, "missing", "rules");
        return None;
    };
    let action = match ActionProto::try_from(std::mem::take(&mut proto.action)) {
        Ok(ActionProto::Allow) => Action::Allow,
        Ok(ActionProto::Deny) => Action::Deny,
        Ok(ActionProto::Log) => Action::Log,
        Err(_) => {
            check.wrong(&join(path, "action"), "another", "ALLOW, DENY or LOG");
            return None;
        }
    };
    let mut named: Vec<_> = std::mem::take(&mut proto.policies).into_iter().collect();
    named.sort_by(|one, other| one.0.cmp(&other.0));
    let policies =
        named.into_iter().map(|(name, proto)| policy(check, &format!("{path}.policies[{name:?}]"), name, proto));
    let policies = policies.collect();
    check.rest(path, &proto);
    Some(Rbac { action, policies })
}

fn policy(check: &mut Check, path: &str, name: String, mut proto: PolicyProto) -> Policy {
    // A policy that nothing fits is a mistake: one of DENY would deny nothing.
    for (field, empty) in [("permissions", proto.permissions.is_empty()), ("principals", proto.principals.is_empty())] {
        if empty {
            check.wrong(&join(path, field), "empty", "at least one");
        }
    }
    let permissions = std::mem::take(&mut proto.permissions).into_iter().enumerate();
    let permissions =
        permissions.filter_map(|(index, one)| permission(check, &at(path, "permissions", index), one)).collect();
    let principals = std::mem::take(&mut proto.principals).into_iter().enumerate();
    let principals =
        principals.filter_map(|(index, one)| principal(check, &at(path, "principals", index), one)).collect();
    check.rest(path, &proto);
    Policy { name: name.into(), permissions, principals }
}

fn permission(check: &mut Check, path: &str, mut proto: PermissionProto) -> Option<Permission> {
    let rule = proto.rule.take();
    check.rest(path, &proto);
    let mut set = |field: &str, rules: Vec<PermissionProto>| {
        // All of nothing would fit everything; Envoy refuses it too.
        if rules.is_empty() {
            check.wrong(&join(path, field), "empty", "at least one");
        }
        let rules = rules.into_iter().enumerate();
        rules.filter_map(|(index, one)| permission(check, &at(path, field, index), one)).collect()
    };
    Some(match rule {
        Some(Rule::Any(true)) => Permission::Any,
        Some(Rule::AndRules(all)) => Permission::And(set("and_rules.rules", all.rules)),
        Some(Rule::OrRules(any)) => Permission::Or(set("or_rules.rules", any.rules)),
        Some(Rule::NotRule(one)) => Permission::Not(Box::new(permission(check, &join(path, "not_rule"), *one)?)),
        Some(Rule::Header(proto)) => Permission::Header(matcher::header(check, &join(path, "header"), proto)?),
        Some(Rule::UrlPath(proto)) => Permission::UrlPath(url_path(check, &join(path, "url_path"), proto)?),
        Some(Rule::DestinationIp(range)) => {
            Permission::DestinationIp(cidr(check, &join(path, "destination_ip"), &range)?)
        }
        Some(Rule::DestinationPort(port)) => match u16::try_from(port) {
            Ok(port) => Permission::DestinationPort(port),
            Err(_) => {
                check.wrong(&join(path, "destination_port"), port.to_string(), "a port");
                return None;
            }
        },
        Some(Rule::DestinationPortRange(range)) => {
            Permission::DestinationPorts(ports(check, &join(path, "destination_port_range"), &range)?)
        }
        #[expect(deprecated, reason = "older control planes write it")]
        Some(Rule::Metadata(proto)) => Permission::Metadata(metadata::convert(check, &join(path, "metadata"), proto)?),
        Some(Rule::SourcedMetadata(proto)) => {
            Permission::Metadata(sourced(check, &join(path, "sourced_metadata"), proto)?)
        }
        Some(Rule::RequestedServerName(name)) => {
            Permission::RequestedServerName(matcher::string(check, &join(path, "requested_server_name"), name)?)
        }
        Some(other) => {
            check.rest(path, &PermissionProto { rule: Some(other) });
            return None;
        }
        None => {
            check.wrong(path, "empty", "a rule");
            return None;
        }
    })
}

fn principal(check: &mut Check, path: &str, mut proto: PrincipalProto) -> Option<Principal> {
    let identifier = proto.identifier.take();
    check.rest(path, &proto);
    let mut set = |field: &str, ids: Vec<PrincipalProto>| {
        if ids.is_empty() {
            check.wrong(&join(path, field), "empty", "at least one");
        }
        let ids = ids.into_iter().enumerate();
        ids.filter_map(|(index, one)| principal(check, &at(path, field, index), one)).collect()
    };
    Some(match identifier {
        Some(Identifier::Any(true)) => Principal::Any,
        Some(Identifier::AndIds(all)) => Principal::And(set("and_ids.ids", all.ids)),
        Some(Identifier::OrIds(any)) => Principal::Or(set("or_ids.ids", any.ids)),
        Some(Identifier::NotId(one)) => Principal::Not(Box::new(principal(check, &join(path, "not_id"), *one)?)),
        Some(Identifier::Authenticated(authenticated)) => match authenticated.principal_name {
            Some(proto) => {
                let path = join(path, "authenticated.principal_name");
                Principal::Authenticated(Some(matcher::string(check, &path, proto)?))
            }
            None => Principal::Authenticated(None),
        },
        Some(Identifier::DirectRemoteIp(range)) => {
            Principal::DirectIp(cidr(check, &join(path, "direct_remote_ip"), &range)?)
        }
        Some(Identifier::RemoteIp(range)) => Principal::RemoteIp(cidr(check, &join(path, "remote_ip"), &range)?),
        #[expect(deprecated, reason = "older control planes write it")]
        Some(Identifier::SourceIp(range)) => Principal::SourceIp(cidr(check, &join(path, "source_ip"), &range)?),
        #[expect(deprecated, reason = "older control planes write it")]
        Some(Identifier::Metadata(proto)) => {
            Principal::Metadata(metadata::convert(check, &join(path, "metadata"), proto)?)
        }
        Some(Identifier::SourcedMetadata(proto)) => {
            Principal::Metadata(sourced(check, &join(path, "sourced_metadata"), proto)?)
        }
        Some(Identifier::Header(proto)) => Principal::Header(matcher::header(check, &join(path, "header"), proto)?),
        Some(Identifier::UrlPath(proto)) => Principal::UrlPath(url_path(check, &join(path, "url_path"), proto)?),
        Some(other) => {
            check.rest(path, &PrincipalProto { identifier: Some(other) });
            return None;
        }
        None => {
            check.wrong(path, "empty", "a principal");
            return None;
        }
    })
}

/// A range of ports, the last not included.
fn ports(check: &mut Check, path: &str, range: &Int32Range) -> Option<RangeInclusive<u16>> {
    let port = |number: i32| u16::try_from(number).ok();
    // The end is one more than the last port.
    let made = port(range.start).zip(port(range.end.min(65536).saturating_sub(1)));
    let made = made.filter(|(start, last)| start <= last && range.end > 0);
    if made.is_none() {
        check.wrong(path, format!("{} to {}", range.start, range.end), "a range of ports, the end not included");
    }
    made.map(|(start, last)| start..=last)
}

fn sourced(check: &mut Check, path: &str, mut proto: SourcedMetadata) -> Option<MetadataMatcher> {
    if std::mem::take(&mut proto.metadata_source) != MetadataSource::Dynamic as i32 {
        check.wrong(&join(path, "metadata_source"), "another", "DYNAMIC: routes have no metadata here");
    }
    let matcher = proto.metadata_matcher.take().unwrap_or_default();
    metadata::convert(check, &join(path, "metadata_matcher"), matcher)
}

fn url_path(check: &mut Check, path: &str, proto: PathMatcher) -> Option<leno_engine::matcher::StringMatcher> {
    match proto.rule {
        Some(path_matcher::Rule::Path(proto)) => matcher::string(check, &join(path, "path"), proto),
        None => {
            check.wrong(path, "empty", "path");
            None
        }
    }
}

pub(super) fn cidr(check: &mut Check, path: &str, range: &CidrRange) -> Option<Cidr> {
    let length = range.prefix_len.map_or(0, |length| length.value);
    let made = range.address_prefix.parse().ok().zip(u8::try_from(length).ok());
    let made = made.and_then(|(address, length)| Cidr::new(address, length).ok());
    if made.is_none() {
        check.wrong(path, format!("{}/{length}", range.address_prefix), "a range of addresses");
    }
    made
}
