//! Data from where a message says it is ([`envoy.config.core.v3.DataSource`]).
//!
//! [`envoy.config.core.v3.DataSource`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/core/v3/base.proto#config-core-v3-datasource

use leno_model::Invalid;
use leno_proto::v3::core::{DataSource, data_source::Specifier};

use super::read::invalid;

/// The text.
pub(super) fn text(path: &str, source: Option<DataSource>) -> Result<String, Box<Invalid>> {
    match source.and_then(|source| source.specifier) {
        Some(Specifier::InlineString(text)) => Ok(text),
        Some(Specifier::InlineBytes(bytes)) => {
            String::from_utf8(bytes).map_err(|_| invalid(&format!("{path}.inline_bytes"), "not UTF-8", "text"))
        }
        Some(Specifier::Filename(file)) => {
            let cannot = |error: std::io::Error| {
                invalid(&format!("{path}.filename"), format!("{file:?}"), format!("a file that can be read: {error}"))
            };
            std::fs::read_to_string(&file).map_err(cannot)
        }
        Some(Specifier::EnvironmentVariable(name)) => {
            let expected = "a file or inline data: Leno reads no secrets from the environment";
            Err(invalid(&format!("{path}.environment_variable"), format!("{name:?}"), expected))
        }
        None => Err(invalid(path, "missing", "inline_string, inline_bytes or filename")),
    }
}
