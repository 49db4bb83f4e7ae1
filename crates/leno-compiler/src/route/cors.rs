//! Requests of pages of other origins.

use leno_model::route::handling::{Cors, Origin};
use leno_proto::{
    any,
    google::protobuf::{Any, BoolValue},
    v3::cors::CorsPolicy,
};

use crate::message::{string_exact, string_regex};

/// The filter's name in a connection manager and in routes.
pub(crate) const FILTER: &str = "envoy.filters.http.cors";

/// What a route says for the filter.
pub(super) fn of(cors: &Cors) -> Any {
    let origin = |origin: &Origin| match origin {
        Origin::Any => string_regex(".*"),
        Origin::Exact(text) => string_exact(text),
        Origin::Regex(text) => string_regex(text),
    };
    any::pack(&CorsPolicy {
        allow_origin_string_match: cors.origins.iter().map(origin).collect(),
        allow_methods: cors.methods.join(", "),
        allow_headers: cors.headers.join(", "),
        expose_headers: cors.expose.join(", "),
        max_age: cors.max_age.as_secs().to_string(),
        allow_credentials: Some(BoolValue { value: cors.credentials }),
        ..Default::default()
    })
}
