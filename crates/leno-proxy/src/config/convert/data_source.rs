//! Texts that stand in a configuration ([`DataSource`]).
//!
//! [`DataSource`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/core/v3/base.proto#config-core-v3-datasource

use leno_proto::v3::core::{DataSource, data_source::Specifier};

use super::check::Check;

/// The text; empty where there is none.
pub(super) fn text(check: &mut Check, path: &str, mut source: DataSource) -> String {
    let mut found = String::new();
    match source.specifier.take() {
        Some(Specifier::InlineString(text)) => found = text,
        Some(Specifier::InlineBytes(bytes)) => match String::from_utf8(bytes) {
            Ok(text) => found = text,
            Err(_) => check.wrong(path, "bytes that are no text", "a text in UTF-8"),
        },
        // Refused below by its name, as all that is left.
        other => source.specifier = other,
    }
    check.rest(path, &source);
    found
}
