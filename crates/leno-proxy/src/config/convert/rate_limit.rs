//! What requests are counted by ([`envoy.config.route.v3.RateLimit`]).
//!
//! [`envoy.config.route.v3.RateLimit`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-ratelimit

use leno_engine::filter::rate_limit::{AddressPart, LimitOverride, LimitUnit, RateLimitAction, RateLimitRule};
use leno_proto::v3::{
    route::{
        RateLimit as Proto,
        rate_limit::{
            Action, HitsAddend, Override,
            action::{
                ActionSpecifier, HeaderValueMatch, MetaData, QueryParameterValueMatch, RemoteAddressMatch, meta_data,
            },
            r#override::OverrideSpecifier,
        },
    },
    r#type::RateLimitUnit,
};

use super::{
    check::{Check, at, join},
    matcher, rbac,
};

/// The stages that there may be: Envoy's.
pub(super) const MAX_STAGE: u32 = 10;

/// Rules.
pub(super) fn rules(check: &mut Check, path: &str, field: &str, protos: Vec<Proto>) -> Vec<RateLimitRule> {
    let protos = protos.into_iter().enumerate();
    protos.filter_map(|(index, proto)| rule(check, &at(path, field, index), proto)).collect()
}

fn rule(check: &mut Check, path: &str, mut proto: Proto) -> Option<RateLimitRule> {
    let stage = proto.stage.take().map_or(0, |stage| stage.value);
    if stage > MAX_STAGE {
        check.wrong(&join(path, "stage"), stage.to_string(), "0 to 10");
    }
    // There is nothing at run time that would set it.
    proto.disable_key.clear();
    let actions = std::mem::take(&mut proto.actions);
    if actions.is_empty() {
        check.wrong(&join(path, "actions"), "empty", "at least one");
    }
    let actions = actions.into_iter().enumerate();
    let actions: Option<Vec<_>> =
        actions.map(|(index, proto)| action(check, &at(path, "actions", index), proto)).collect();
    let limit = proto.limit.take().and_then(|proto| limit(check, &join(path, "limit"), &proto));
    let hits = proto.hits_addend.take().and_then(|proto| hits(check, &join(path, "hits_addend"), proto));
    let tells = match std::mem::take(&mut proto.x_ratelimit_option) {
        0 => None,
        option => Some(option == 2),
    };
    check.rest(path, &proto);
    Some(RateLimitRule { stage, actions: actions?, limit, hits, tells })
}

fn hits(check: &mut Check, path: &str, mut proto: HitsAddend) -> Option<u64> {
    let number = proto.number.take().map(|number| number.value);
    if number.is_none_or(|number| number > 1_000_000_000) {
        check.wrong(&join(path, "number"), format!("{number:?}"), "a number up to 1000000000");
    }
    check.rest(path, &proto);
    number
}

fn limit(check: &mut Check, path: &str, proto: &Override) -> Option<LimitOverride> {
    let Some(OverrideSpecifier::RateLimit(limit)) = &proto.override_specifier else {
        if proto.override_specifier.is_none() {
            check.wrong(path, "no limit", "rate_limit");
        }
        check.rest(path, proto);
        return None;
    };
    let unit = match RateLimitUnit::try_from(limit.unit) {
        Ok(RateLimitUnit::Second) => LimitUnit::Second,
        Ok(RateLimitUnit::Minute) => LimitUnit::Minute,
        Ok(RateLimitUnit::Hour) => LimitUnit::Hour,
        Ok(RateLimitUnit::Day) => LimitUnit::Day,
        Ok(RateLimitUnit::Month) => LimitUnit::Month,
        Ok(RateLimitUnit::Year) => LimitUnit::Year,
        Ok(RateLimitUnit::Unknown) => LimitUnit::Unknown,
        Err(_) => {
            check.wrong(&join(path, "rate_limit.unit"), limit.unit.to_string(), "one of its values");
            return None;
        }
    };
    Some(LimitOverride { requests: limit.requests_per_unit, unit })
}

/// The key of an entry, or the usual one.
fn key(key: String, usual: &str) -> Box<str> {
    if key.is_empty() { usual.into() } else { key.into() }
}

fn action(check: &mut Check, path: &str, proto: Action) -> Option<RateLimitAction> {
    Some(match proto.action_specifier {
        Some(ActionSpecifier::SourceCluster(_)) => RateLimitAction::SourceCluster,
        Some(ActionSpecifier::DestinationCluster(_)) => RateLimitAction::DestinationCluster,
        Some(ActionSpecifier::RequestHeaders(proto)) => RateLimitAction::Header {
            name: check
                .name(&join(path, "request_headers.header_name"), proto.header_name)?
                .to_ascii_lowercase()
                .into(),
            key: check.name(&join(path, "request_headers.descriptor_key"), proto.descriptor_key)?.into(),
            skips: proto.skip_if_absent,
        },
        Some(ActionSpecifier::QueryParameters(proto)) => {
            let name = check.name(&join(path, "query_parameters.query_parameter_name"), proto.query_parameter_name)?;
            let key = check.name(&join(path, "query_parameters.descriptor_key"), proto.descriptor_key)?;
            RateLimitAction::Query { name: name.into(), key: key.into(), skips: proto.skip_if_absent }
        }
        Some(ActionSpecifier::RemoteAddress(_)) => RateLimitAction::Address(AddressPart::Whole),
        Some(ActionSpecifier::MaskedRemoteAddress(proto)) => {
            let mut bits = |field: &str, value: Option<u32>, most: u8| {
                let bits = value.unwrap_or(most.into());
                let legal = u8::try_from(bits).ok().filter(|bits| *bits <= most);
                if legal.is_none() {
                    let field = join(&join(path, "masked_remote_address"), field);
                    check.wrong(&field, bits.to_string(), format!("0 to {most}"));
                }
                legal.unwrap_or(most)
            };
            let v4 = bits("v4_prefix_mask_len", proto.v4_prefix_mask_len.map(|it| it.value), 32);
            let v6 = bits("v6_prefix_mask_len", proto.v6_prefix_mask_len.map(|it| it.value), 128);
            RateLimitAction::Address(AddressPart::Masked { v4, v6 })
        }
        Some(ActionSpecifier::GenericKey(proto)) => {
            let value = check.name(&join(path, "generic_key.descriptor_value"), proto.descriptor_value)?;
            RateLimitAction::Generic { key: key(proto.descriptor_key, "generic_key"), value: value.into() }
        }
        Some(ActionSpecifier::HeaderValueMatch(proto)) => {
            header_match(check, &join(path, "header_value_match"), proto)?
        }
        Some(ActionSpecifier::QueryParameterValueMatch(proto)) => {
            query_match(check, &join(path, "query_parameter_value_match"), proto)?
        }
        Some(ActionSpecifier::RemoteAddressMatch(proto)) => {
            address_match(check, &join(path, "remote_address_match"), proto)?
        }
        Some(ActionSpecifier::Metadata(proto)) => metadata(check, &join(path, "metadata"), proto)?,
        None => {
            check.wrong(path, "nothing", "an action");
            return None;
        }
        other => {
            check.rest(path, &Action { action_specifier: other });
            return None;
        }
    })
}

fn header_match(check: &mut Check, path: &str, proto: HeaderValueMatch) -> Option<RateLimitAction> {
    let headers = proto.headers.into_iter().enumerate();
    let headers = headers.map(|(index, one)| matcher::header(check, &at(path, "headers", index), one));
    let headers = headers.collect::<Option<_>>()?;
    Some(RateLimitAction::HeaderMatch {
        key: key(proto.descriptor_key, "header_match"),
        value: check.name(&join(path, "descriptor_value"), proto.descriptor_value)?.into(),
        expect: proto.expect_match.is_none_or(|it| it.value),
        headers,
    })
}

fn query_match(check: &mut Check, path: &str, proto: QueryParameterValueMatch) -> Option<RateLimitAction> {
    let parameters = proto.query_parameters.into_iter().enumerate();
    let parameters = parameters.map(|(index, one)| matcher::query(check, &at(path, "query_parameters", index), one));
    let parameters = parameters.collect::<Option<_>>()?;
    Some(RateLimitAction::QueryMatch {
        key: key(proto.descriptor_key, "query_match"),
        value: check.name(&join(path, "descriptor_value"), proto.descriptor_value)?.into(),
        expect: proto.expect_match.is_none_or(|it| it.value),
        parameters,
    })
}

fn address_match(check: &mut Check, path: &str, proto: RemoteAddressMatch) -> Option<RateLimitAction> {
    let matcher = proto.address_matcher.unwrap_or_default();
    if matcher.ranges.is_empty() {
        check.wrong(&join(path, "address_matcher.ranges"), "empty", "at least one");
    }
    let ranges = matcher.ranges.iter().enumerate().map(|(index, range)| {
        let range = leno_proto::v3::core::CidrRange {
            address_prefix: range.address_prefix.clone(),
            prefix_len: range.prefix_len,
        };
        rbac::cidr(check, &at(path, "address_matcher.ranges", index), &range)
    });
    let ranges = ranges.collect::<Option<_>>()?;
    if proto.descriptor_value.contains('%') {
        check.wrong(&join(path, "descriptor_value"), proto.descriptor_value.clone(), "a plain text");
    }
    Some(RateLimitAction::AddressMatch {
        key: key(proto.descriptor_key, "remote_address_match"),
        value: check.name(&join(path, "descriptor_value"), proto.descriptor_value)?.into(),
        ranges,
        invert: matcher.invert_match,
    })
}

fn metadata(check: &mut Check, path: &str, proto: MetaData) -> Option<RateLimitAction> {
    use leno_proto::envoy::r#type::metadata::v3::metadata_key::path_segment::Segment;
    if proto.source != meta_data::Source::Dynamic as i32 {
        check.wrong(
            &join(path, "source"),
            proto.source.to_string(),
            "DYNAMIC: routes and clusters have no metadata here",
        );
    }
    let at_key = proto.metadata_key.unwrap_or_default();
    let keys = at_key.path.into_iter().enumerate().map(|(index, segment)| match segment.segment {
        Some(Segment::Key(key)) => Some(Box::from(key)),
        Some(Segment::Index(_)) => check.unsupported(&at(path, "metadata_key.path", index), "index", "key"),
        None => None,
    });
    let keys = keys.collect::<Option<Vec<Box<str>>>>().filter(|keys| !keys.is_empty());
    if keys.is_none() {
        check.wrong(&join(path, "metadata_key.path"), "without keys", "at least one");
    }
    Some(RateLimitAction::Metadata {
        key: check.name(&join(path, "descriptor_key"), proto.descriptor_key)?.into(),
        namespace: check.name(&join(path, "metadata_key.key"), at_key.key)?.into(),
        path: keys?,
        default: (!proto.default_value.is_empty()).then(|| proto.default_value.into()),
        skips: proto.skip_if_absent,
    })
}
