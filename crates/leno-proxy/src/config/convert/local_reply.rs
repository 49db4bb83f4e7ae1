//! What becomes of answers that the proxy gives itself ([`LocalReplyConfig`]).
//!
//! [`LocalReplyConfig`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto#extensions-filters-network-http-connection-manager-v3-localreplyconfig

use leno_engine::{
    local_reply::{BodyForm, BodyFormat, Comparison, Condition, JsonTemplate, LocalReplies, Mapper},
    route::{Fillable, Format, HeaderEdits},
};
use leno_proto::{
    google::protobuf::{Struct, Value, value::Kind},
    v3::{
        accesslog::{
            AccessLogFilter, ComparisonFilter, ResponseFlagFilter, access_log_filter::FilterSpecifier,
            comparison_filter::Op,
        },
        core::{SubstitutionFormatString, substitution_format_string::Format as Form},
        http_connection_manager::{LocalReplyConfig, ResponseMapper},
    },
};

use super::{
    check::{Check, at, join},
    data_source,
    header::{self, Known},
    matcher,
};

/// The response flags that a condition may ask for.
const FLAGS: [&str; 30] = [
    "LH", "UH", "UT", "LR", "UR", "UF", "UC", "UO", "NR", "DI", "FI", "RL", "UAEX", "RLSE", "DC", "URX", "SI", "IH",
    "DPE", "UMSDR", "RFCF", "NFCF", "DT", "UPE", "NC", "OM", "DF", "DO", "DR", "UDO",
];

/// The conditions that there are.
const CONDITIONS: &str = "status_code_filter, header_filter, response_flag_filter, and_filter or or_filter";

pub(super) fn convert(check: &mut Check, path: &str, mut proto: LocalReplyConfig) -> LocalReplies {
    let mappers = std::mem::take(&mut proto.mappers).into_iter().enumerate();
    let mappers = mappers.filter_map(|(index, one)| mapper(check, &at(path, "mappers", index), one)).collect();
    let format = proto.body_format.take().and_then(|one| format(check, &join(path, "body_format"), one));
    check.rest(path, &proto);
    LocalReplies { mappers, format }
}

fn mapper(check: &mut Check, path: &str, mut proto: ResponseMapper) -> Option<Mapper> {
    let condition = proto.filter.take();
    if condition.is_none() {
        check.wrong(&join(path, "filter"), "missing", CONDITIONS);
    }
    let condition = condition.and_then(|one| self::condition(check, &join(path, "filter"), one));
    let status = proto.status_code.take().and_then(|number| {
        let status = u16::try_from(number.value).ok().filter(|status| (200..600).contains(status));
        if status.is_none() {
            check.wrong(&join(path, "status_code"), number.value.to_string(), "200 to 599");
        }
        status
    });
    let body = proto.body.take().map(|source| data_source::text(check, &join(path, "body"), source).into());
    let format = proto.body_format_override.take();
    let format = format.and_then(|one| self::format(check, &join(path, "body_format_override"), one));
    let add = std::mem::take(&mut proto.headers_to_add).into_iter().enumerate();
    let add =
        add.filter_map(|(index, one)| header::write(check, &at(path, "headers_to_add", index), one, Known::Answer));
    let headers = HeaderEdits { remove: Vec::new(), add: add.collect() };
    check.rest(path, &proto);
    Some(Mapper { condition: condition?, status, body, format, headers })
}

fn condition(check: &mut Check, path: &str, mut proto: AccessLogFilter) -> Option<Condition> {
    let made = match proto.filter_specifier.take() {
        Some(FilterSpecifier::StatusCodeFilter(mut one)) => {
            let path = join(path, "status_code_filter");
            let made = one.comparison.take().and_then(|one| comparison(check, &join(&path, "comparison"), one));
            check.rest(&path, &one);
            made
        }
        Some(FilterSpecifier::HeaderFilter(mut one)) => {
            let path = join(path, "header_filter");
            let made = one.header.take().and_then(|one| matcher::header(check, &join(&path, "header"), one));
            check.rest(&path, &one);
            made.map(Condition::Header)
        }
        Some(FilterSpecifier::ResponseFlagFilter(one)) => flags(check, &join(path, "response_flag_filter"), one),
        Some(FilterSpecifier::AndFilter(one)) => {
            Some(Condition::All(several(check, &join(path, "and_filter"), one.filters)))
        }
        Some(FilterSpecifier::OrFilter(one)) => {
            Some(Condition::Any(several(check, &join(path, "or_filter"), one.filters)))
        }
        None => {
            check.wrong(path, "no condition", CONDITIONS);
            return None;
        }
        // Refused by its name, as all that is left.
        other => {
            proto.filter_specifier = other;
            check.rest(path, &proto);
            return None;
        }
    };
    if made.is_none() && check.is_clean() {
        check.wrong(path, "incomplete", CONDITIONS);
    }
    made
}

fn several(check: &mut Check, path: &str, filters: Vec<AccessLogFilter>) -> Vec<Condition> {
    if filters.len() < 2 {
        check.wrong(&join(path, "filters"), filters.len().to_string(), "at least two");
    }
    let filters = filters.into_iter().enumerate();
    filters.filter_map(|(index, one)| condition(check, &at(path, "filters", index), one)).collect()
}

fn comparison(check: &mut Check, path: &str, mut proto: ComparisonFilter) -> Option<Condition> {
    let number = std::mem::take(&mut proto.op);
    let comparison = match Op::try_from(number) {
        Ok(Op::Eq) => Comparison::Equal,
        Ok(Op::Ge) => Comparison::AtLeast,
        Ok(Op::Le) => Comparison::AtMost,
        Ok(Op::Ne) => Comparison::Different,
        Err(_) => {
            check.wrong(&join(path, "op"), number.to_string(), "one of its values");
            return None;
        }
    };
    let Some(mut value) = proto.value.take() else {
        check.wrong(&join(path, "value"), "missing", "a status");
        return None;
    };
    // There are no layers that would change the default.
    value.runtime_key.clear();
    let number = std::mem::take(&mut value.default_value);
    check.rest(&join(path, "value"), &value);
    check.rest(path, &proto);
    Some(Condition::Status(comparison, number))
}

fn flags(check: &mut Check, path: &str, mut proto: ResponseFlagFilter) -> Option<Condition> {
    let flags = std::mem::take(&mut proto.flags);
    for (index, flag) in flags.iter().enumerate() {
        if !FLAGS.contains(&flag.as_str()) {
            check.wrong(&at(path, "flags", index), flag, format!("one of {}", FLAGS.join(", ")));
        }
    }
    check.rest(path, &proto);
    Some(Condition::Flags(flags.into_iter().map(Into::into).collect()))
}

fn format(check: &mut Check, path: &str, mut proto: SubstitutionFormatString) -> Option<BodyFormat> {
    let omits_missing = std::mem::take(&mut proto.omit_empty_values);
    let content_type = std::mem::take(&mut proto.content_type);
    if content_type.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        check.wrong(&join(path, "content_type"), &*content_type, "no control characters");
    }
    if let Some(options) = &mut proto.json_format_options {
        // They always are.
        #[expect(deprecated, reason = "older configurations write it")]
        let sorted = &mut options.sort_properties;
        *sorted = false;
        let options = std::mem::take(options);
        check.rest(&join(path, "json_format_options"), &options);
        proto.json_format_options = None;
    }
    let mut usual = "text/plain";
    #[expect(deprecated, reason = "older configurations write it")]
    let form = match proto.format.take() {
        Some(Form::TextFormat(text)) => filled(check, &join(path, "text_format"), &text).map(BodyForm::Text),
        Some(Form::TextFormatSource(source)) => {
            let path = join(path, "text_format_source");
            let text = data_source::text(check, &path, source);
            filled(check, &path, &text).map(BodyForm::Text)
        }
        Some(Form::JsonFormat(fields)) => {
            usual = "application/json";
            object(check, &join(path, "json_format"), fields).map(BodyForm::Json)
        }
        None => {
            check.wrong(path, "no format", "text_format_source or json_format");
            None
        }
    };
    check.rest(path, &proto);
    let content_type = if content_type.is_empty() { usual.into() } else { content_type.into() };
    Some(BodyFormat { form: form?, content_type, omits_missing })
}

fn object(check: &mut Check, path: &str, proto: Struct) -> Option<JsonTemplate> {
    let mut fields: Vec<_> = proto.fields.into_iter().collect();
    fields.sort_by(|(one, _), (other, _)| one.cmp(other));
    let made =
        fields.into_iter().map(|(key, value)| Some((key.as_str().into(), json(check, &join(path, &key), value)?)));
    // All that is wrong is told, not the first alone.
    let made: Vec<Option<_>> = made.collect();
    made.into_iter().collect::<Option<Vec<_>>>().map(JsonTemplate::Object)
}

/// The largest whole number up to which all are told apart.
const EXACT: f64 = 9_007_199_254_740_992.0;

fn json(check: &mut Check, path: &str, value: Value) -> Option<JsonTemplate> {
    Some(match value.kind {
        Some(Kind::StringValue(text)) => JsonTemplate::Text(filled(check, path, &text)?),
        Some(Kind::StructValue(fields)) => object(check, path, fields)?,
        Some(Kind::ListValue(list)) => {
            let items = list.values.into_iter().enumerate();
            let items: Vec<_> = items.map(|(index, item)| json(check, &format!("{path}[{index}]"), item)).collect();
            JsonTemplate::List(items.into_iter().collect::<Option<_>>()?)
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "whole numbers are written as such, as far as they are exact"
        )]
        Some(Kind::NumberValue(number)) if number.fract() == 0.0 && number.abs() <= EXACT => {
            JsonTemplate::Fixed((number as i64).into())
        }
        Some(Kind::NumberValue(number)) => JsonTemplate::Fixed(number.into()),
        Some(Kind::BoolValue(value)) => JsonTemplate::Fixed(value.into()),
        Some(Kind::NullValue(_)) | None => JsonTemplate::Fixed(().into()),
    })
}

/// A text with what is to be filled in.
fn filled(check: &mut Check, path: &str, text: &str) -> Option<Format> {
    let format = Format::parse(text, Fillable::OwnAnswer);
    format.map_err(|wrong| check.wrong(path, text, header::operators(&wrong))).ok()
}
