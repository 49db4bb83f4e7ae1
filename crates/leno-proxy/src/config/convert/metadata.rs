//! Patterns on what filters found out ([`envoy.type.matcher.v3.MetadataMatcher`]).
//!
//! [`envoy.type.matcher.v3.MetadataMatcher`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/type/matcher/v3/metadata.proto

use leno_engine::metadata::{MetadataMatcher, ValueMatcher};
use leno_proto::v3::matcher::{
    MetadataMatcher as Proto, ValueMatcher as ValueProto, double_matcher, list_matcher, metadata_matcher,
    value_matcher::MatchPattern,
};

use super::{
    check::{Check, at, join},
    matcher,
};

pub(super) fn convert(check: &mut Check, path: &str, mut proto: Proto) -> Option<MetadataMatcher> {
    let namespace = std::mem::take(&mut proto.filter);
    let namespace = check.name(&join(path, "filter"), namespace);
    let keys = std::mem::take(&mut proto.path).into_iter().map(|segment| match segment.segment {
        Some(metadata_matcher::path_segment::Segment::Key(key)) if !key.is_empty() => Some(Box::from(key)),
        Some(metadata_matcher::path_segment::Segment::Key(_)) | None => None,
    });
    let keys: Option<Vec<Box<str>>> = keys.collect();
    let keys = keys.filter(|keys| !keys.is_empty());
    if keys.is_none() {
        check.wrong(&join(path, "path"), "without keys", "at least one, each with a key");
    }
    let value = proto.value.take().and_then(|proto| value(check, &join(path, "value"), proto));
    let invert = std::mem::take(&mut proto.invert);
    check.rest(path, &proto);
    if value.is_none() {
        check.wrong(&join(path, "value"), "no pattern", "a pattern");
    }
    Some(MetadataMatcher { namespace: namespace?.into(), path: keys?, value: value?, invert })
}

fn value(check: &mut Check, path: &str, proto: ValueProto) -> Option<ValueMatcher> {
    Some(match proto.match_pattern? {
        MatchPattern::NullMatch(_) => ValueMatcher::Null,
        MatchPattern::DoubleMatch(proto) => match proto.match_pattern? {
            double_matcher::MatchPattern::Exact(number) => ValueMatcher::Number(number),
            double_matcher::MatchPattern::Range(range) => ValueMatcher::Range(range.start, range.end),
        },
        MatchPattern::StringMatch(proto) => {
            ValueMatcher::Text(matcher::string(check, &join(path, "string_match"), proto)?)
        }
        MatchPattern::BoolMatch(value) => ValueMatcher::Bool(value),
        MatchPattern::PresentMatch(value) => ValueMatcher::Present(value),
        MatchPattern::ListMatch(proto) => match proto.match_pattern? {
            list_matcher::MatchPattern::OneOf(one) => {
                ValueMatcher::OneOf(Box::new(value(check, &join(path, "list_match.one_of"), *one)?))
            }
        },
        MatchPattern::OrMatch(proto) => {
            let any = proto.value_matchers.into_iter().enumerate();
            let any = any.map(|(index, one)| value(check, &at(path, "or_match.value_matchers", index), one));
            ValueMatcher::Or(any.collect::<Option<_>>()?)
        }
    })
}
