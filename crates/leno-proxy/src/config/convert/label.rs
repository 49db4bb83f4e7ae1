//! What is noted about endpoints and wanted by routes: `envoy.lb` metadata.

use std::sync::Arc;

use leno_engine::{
    balance::Criteria,
    label::{Labels, Value},
};
use leno_proto::{
    google::protobuf::{Struct, Value as Proto, value::Kind},
    v3::core::Metadata,
};

use super::check::Check;

/// The name that Envoy's balancers have among those whom metadata is for.
pub(super) const BALANCING: &str = "envoy.lb";

/// The labels for balancing. Metadata for anybody else is refused: nobody reads it here.
pub(super) fn for_balancing(check: &mut Check, path: &str, metadata: Option<Metadata>) -> Option<Labels> {
    let mut metadata = metadata?;
    let labels = metadata.filter_metadata.remove(BALANCING).map(labels);
    check.rest(path, &metadata);
    labels
}

/// What a route wants of endpoints.
pub(super) fn criteria(check: &mut Check, path: &str, metadata: Option<Metadata>) -> Option<Arc<Criteria>> {
    let labels = for_balancing(check, path, metadata)?;
    Some(Arc::new(Criteria::new(labels)))
}

/// Keys and values.
pub(super) fn labels(fields: Struct) -> Labels {
    Labels::new(fields.fields.into_iter().map(|(key, it)| (key.into(), value(it))).collect())
}

fn value(proto: Proto) -> Value {
    match proto.kind {
        Some(Kind::NullValue(_)) | None => Value::Null,
        Some(Kind::BoolValue(value)) => Value::Bool(value),
        Some(Kind::NumberValue(value)) => Value::Number(value),
        Some(Kind::StringValue(text)) => Value::Text(text.into()),
        Some(Kind::ListValue(list)) => Value::List(list.values.into_iter().map(value).collect()),
        Some(Kind::StructValue(fields)) => Value::Labels(labels(fields)),
    }
}
