//! Matchers of texts, headers and query parameters.

use leno_engine::matcher::{HeaderMatch, HeaderMatcher, Pattern, QueryMatch, QueryMatcher, StringMatch, StringMatcher};
use leno_proto::v3::{
    matcher::{RegexMatcher, StringMatcher as StringProto, regex_matcher, string_matcher::MatchPattern},
    route::{
        HeaderMatcher as HeaderProto, QueryParameterMatcher, header_matcher::HeaderMatchSpecifier,
        query_parameter_matcher::QueryParameterMatchSpecifier,
    },
};

use super::{
    UNSUPPORTED,
    check::{Check, join},
};

pub(super) fn regex(check: &mut Check, path: &str, proto: &RegexMatcher) -> Option<Pattern> {
    if proto.regex.is_empty() {
        check.wrong(&join(path, "regex"), "empty", "a regular expression");
        return None;
    }
    // Old configurations name the engine; RE2 is the only one there is.
    #[expect(deprecated, reason = "a limit of one's own would be ignored")]
    if let Some(regex_matcher::EngineType::GoogleRe2(engine)) = &proto.engine_type
        && let Some(size) = engine.max_program_size
    {
        check.wrong(
            &join(path, "google_re2.max_program_size"),
            size.value.to_string(),
            format!("Leno's own limit: {UNSUPPORTED}"),
        );
    }
    match Pattern::new(&proto.regex) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            check.wrong(&join(path, "regex"), proto.regex.clone(), format!("a regular expression: {error}"));
            None
        }
    }
}

/// The ways to match a text that there are.
const PATTERNS: &str = "exact, prefix, suffix, contains or safe_regex";

pub(super) fn string(check: &mut Check, path: &str, mut proto: StringProto) -> Option<StringMatcher> {
    let ignore_case = std::mem::take(&mut proto.ignore_case);
    let pattern = proto.match_pattern.take();
    // They would fit everything.
    if let Some(MatchPattern::Prefix(text) | MatchPattern::Suffix(text) | MatchPattern::Contains(text)) = &pattern
        && text.is_empty()
    {
        check.wrong(path, "an empty prefix, suffix or contains", "a text");
    }
    let fits = match pattern {
        Some(MatchPattern::Exact(text)) => Some(StringMatch::Exact(text.into())),
        Some(MatchPattern::Prefix(text)) => Some(StringMatch::Prefix(text.into())),
        Some(MatchPattern::Suffix(text)) => Some(StringMatch::Suffix(text.into())),
        Some(MatchPattern::Contains(text)) => Some(StringMatch::Contains(text.into())),
        Some(MatchPattern::SafeRegex(proto)) => regex(check, &join(path, "safe_regex"), &proto).map(StringMatch::Regex),
        Some(MatchPattern::Custom(_)) => check.unsupported(path, "custom", PATTERNS),
        None => {
            check.wrong(path, "no pattern", PATTERNS);
            None
        }
    };
    check.rest(path, &proto);
    Some(StringMatcher { fits: fits?, ignore_case })
}

pub(super) fn header(check: &mut Check, path: &str, mut proto: HeaderProto) -> Option<HeaderMatcher> {
    let name = std::mem::take(&mut proto.name).to_ascii_lowercase();
    if name.is_empty() {
        check.wrong(&join(path, "name"), "empty", "a header's name");
    }
    let invert = std::mem::take(&mut proto.invert_match);
    let missing_as_empty = std::mem::take(&mut proto.treat_missing_header_as_empty);
    let specifier = proto.header_match_specifier.take();
    check.rest(path, &proto);
    let fits = match specifier {
        None => HeaderMatch::Present(true),
        Some(HeaderMatchSpecifier::PresentMatch(present)) => HeaderMatch::Present(present),
        Some(HeaderMatchSpecifier::StringMatch(proto)) => {
            HeaderMatch::Text(string(check, &join(path, "string_match"), proto)?)
        }
        Some(HeaderMatchSpecifier::RangeMatch(range)) => HeaderMatch::Range { start: range.start, end: range.end },
        Some(other) => HeaderMatch::Text(deprecated(check, path, other)?),
    };
    Some(HeaderMatcher { name: name.into(), fits, invert, missing_as_empty })
}

/// The forms that came before `string_match` and are still written.
fn deprecated(check: &mut Check, path: &str, specifier: HeaderMatchSpecifier) -> Option<StringMatcher> {
    #[expect(deprecated, reason = "older control planes and manifests write these")]
    let fits = match specifier {
        HeaderMatchSpecifier::ExactMatch(text) => StringMatch::Exact(text.into()),
        HeaderMatchSpecifier::PrefixMatch(text) => StringMatch::Prefix(text.into()),
        HeaderMatchSpecifier::SuffixMatch(text) => StringMatch::Suffix(text.into()),
        HeaderMatchSpecifier::ContainsMatch(text) => StringMatch::Contains(text.into()),
        HeaderMatchSpecifier::SafeRegexMatch(proto) => {
            StringMatch::Regex(regex(check, &join(path, "safe_regex_match"), &proto)?)
        }
        HeaderMatchSpecifier::PresentMatch(_)
        | HeaderMatchSpecifier::StringMatch(_)
        | HeaderMatchSpecifier::RangeMatch(_) => return None,
    };
    Some(StringMatcher { fits, ignore_case: false })
}

pub(super) fn query(check: &mut Check, path: &str, mut proto: QueryParameterMatcher) -> Option<QueryMatcher> {
    let name = std::mem::take(&mut proto.name).into();
    let fits = match proto.query_parameter_match_specifier.take() {
        None => QueryMatch::Present(true),
        Some(QueryParameterMatchSpecifier::PresentMatch(present)) => QueryMatch::Present(present),
        Some(QueryParameterMatchSpecifier::StringMatch(proto)) => {
            QueryMatch::Text(string(check, &join(path, "string_match"), proto)?)
        }
    };
    check.rest(path, &proto);
    Some(QueryMatcher { name, fits })
}
