//! What becomes of answers of the proxy's own: what is refused of it.

use leno_proto::{json, v3::http_connection_manager::HttpConnectionManager};
use serde_json::{Value, json};

use super::{
    super::super::Registry,
    refused,
    sample::{filter, listener, manager},
};

/// A listener's connection manager that says this of its own answers is refused.
fn wrong(config: &Value, field: &str, value: &str) {
    let manager = HttpConnectionManager { local_reply_config: Some(json::read(config).unwrap()), ..manager() };
    let path = format!("filter_chains[0].filters[0].typed_config.local_reply_config.{field}");
    let made = super::super::listener(&listener(vec![filter(&manager)]), &mut Registry::default());
    refused(made, &path, value);
}

#[test]
fn mappers_need_a_condition_that_there_is() {
    let mapper = |filter: Value| json!({ "mappers": [{ "filter": filter }] });
    wrong(&json!({ "mappers": [{}] }), "mappers[0].filter", "missing");
    wrong(&mapper(json!({})), "mappers[0].filter", "no condition");
    wrong(&mapper(json!({ "not_health_check_filter": {} })), "mappers[0].filter.not_health_check_filter", "");
    wrong(&mapper(json!({ "and_filter": {} })), "mappers[0].filter.and_filter.filters", "0");
    let flags = json!({ "response_flag_filter": { "flags": ["XX"] } });
    wrong(&mapper(flags), "mappers[0].filter.response_flag_filter.flags[0]", "XX");
    let status = json!({ "status_code_filter": { "comparison": { "op": "EQ" } } });
    wrong(&mapper(status), "mappers[0].filter.status_code_filter.comparison.value", "missing");
    let any = json!({ "response_flag_filter": {} });
    wrong(&json!({ "mappers": [{ "filter": any, "status_code": 199 }] }), "mappers[0].status_code", "199");
    wrong(&json!({ "mappers": [{ "filter": any, "body": { "filename": "/x" } }] }), "mappers[0].body.filename", "/x");
    let header = json!([{ "header": { "key": "x", "value": "%LOCAL_REPLY_BODY%" } }]);
    let field = "mappers[0].headers_to_add[0].header.value";
    wrong(&json!({ "mappers": [{ "filter": any, "headers_to_add": header }] }), field, "%LOCAL_REPLY_BODY%");
}

#[test]
fn bodies_are_made_of_what_is_known() {
    wrong(&json!({ "body_format": {} }), "body_format", "no format");
    let nested = json!({ "body_format": { "json_format": { "a": [{ "b": "%RESPONSE_CODE_DETAILS%" }] } } });
    wrong(&nested, "body_format.json_format.a[0].b", "%RESPONSE_CODE_DETAILS%");
    let text = json!({ "inline_string": "%" });
    let format = json!({ "body_format": { "text_format_source": text } });
    wrong(&format, "body_format.text_format_source", "%");
    let format = json!({ "body_format": { "text_format_source": { "inline_string": "x" }, "content_type": "a\nb" } });
    wrong(&format, "body_format.content_type", "a\nb");
}
