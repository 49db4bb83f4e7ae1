//! The objects that something was made of ([`resource_name::ORIGIN_METADATA`]): people are told of them, nothing is decided
//! by them.

use leno_model::resource_name;
use leno_proto::{google::protobuf::value::Kind, v3::core::Metadata};

use super::check::{Check, join};

/// The objects in a message's metadata; other metadata is refused.
pub(super) fn convert(check: &mut Check, path: &str, metadata: &mut Option<Metadata>) -> Box<[Box<str>]> {
    let Some(mut metadata) = metadata.take() else { return Box::default() };
    let mut said = metadata.filter_metadata.remove(resource_name::ORIGIN_METADATA).unwrap_or_default();
    // Metadata of others concerns others.
    metadata.typed_filter_metadata.clear();
    check.rest(path, &metadata);
    let path = format!("{path}.filter_metadata[{:?}]", resource_name::ORIGIN_METADATA);
    let list = match said.fields.remove(resource_name::ORIGIN_OBJECTS).and_then(|value| value.kind) {
        Some(Kind::ListValue(list)) => list.values,
        Some(other) => {
            check.wrong(&join(&path, resource_name::ORIGIN_OBJECTS), format!("{other:?}"), "a list of names");
            Vec::new()
        }
        None => Vec::new(),
    };
    for field in said.fields.keys() {
        check.wrong(&join(&path, field), "set", "only `objects`");
    }
    let texts = list.into_iter().filter_map(|value| match value.kind {
        Some(Kind::StringValue(text)) => Some(text.into()),
        other => {
            check.wrong(&join(&path, resource_name::ORIGIN_OBJECTS), format!("{other:?}"), "a list of names");
            None
        }
    });
    texts.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn converted(metadata: &Value) -> Result<String, Vec<String>> {
        let cluster = json!({ "name": "c", "metadata": metadata });
        let mut proto: leno_proto::v3::cluster::Cluster = leno_proto::json::read(&cluster).unwrap();
        let mut check = Check::new("Cluster", "c");
        let origins = convert(&mut check, "metadata", &mut proto.metadata);
        check.finish(Some(origins.join(", "))).map_err(|wrong| wrong.into_iter().map(|it| it.field).collect())
    }

    #[test]
    fn objects_are_kept_and_other_metadata_is_refused() {
        let kept = converted(&json!({ "filter_metadata": { "leno.dev": { "objects": ["TrafficSplit shop/a"] } } }));
        assert_eq!(kept, Ok("TrafficSplit shop/a".into()));
        assert_eq!(converted(&json!({})), Ok(String::new()));
        for metadata in [
            json!({ "filter_metadata": { "other": { "a": "b" } } }),
            json!({ "filter_metadata": { "leno.dev": { "objects": "a" } } }),
            json!({ "filter_metadata": { "leno.dev": { "objects": [1] } } }),
            json!({ "filter_metadata": { "leno.dev": { "thing": [] } } }),
        ] {
            assert!(converted(&metadata).is_err(), "{metadata}");
        }
    }
}
