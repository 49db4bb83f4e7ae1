//! Messages as JSON, for people and from files ([ProtoJSON]).
//!
//! The messages themselves know their fields by number alone; their names come from a description of Envoy's API that is
//! made from its proto files and committed (`src/generated/messages.bin`).
//!
//! [ProtoJSON]: https://protobuf.dev/programming-guides/json/

use std::sync::{Arc, Mutex, PoisonError, Weak};

use prost::{Message, Name};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};
use serde_json::Value;

use crate::google::protobuf::Any;

/// What is known of messages, while somebody holds it: reading it takes some milliseconds, and it some MiB.
static KNOWN: Mutex<Weak<DescriptorPool>> = Mutex::new(Weak::new());

/// Keeps what is known of messages in memory: for whoever reads or shows many of them.
#[derive(Clone, Debug)]
pub struct Descriptions(Option<Arc<DescriptorPool>>);

impl Descriptions {
    /// Reads them, unless somebody holds them already.
    #[must_use]
    pub fn hold() -> Self {
        // Nothing is done under the lock that could leave the place half written.
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = known.upgrade() {
            return Self(Some(pool));
        }
        let pool = DescriptorPool::decode(&include_bytes!("generated/messages.bin")[..]).ok().map(Arc::new);
        *known = pool.as_ref().map_or_else(Weak::new, Arc::downgrade);
        Self(pool)
    }

    /// All of them, for those who go through them field by field; `None` would be a build gone wrong.
    #[must_use]
    pub fn pool(&self) -> Option<&DescriptorPool> {
        self.0.as_deref()
    }

    fn message(&self, name: &str) -> Option<MessageDescriptor> {
        self.pool()?.get_message_by_name(name)
    }
}

/// Why a message cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// Its type has no description here.
    #[error("nothing is known of type {0:?}")]
    Type(String),
    /// Its bytes are no message of its type.
    #[error("not a message of type {type_url:?}")]
    Decode {
        /// The type URL.
        type_url: String,
        /// What the decoder said.
        #[source]
        source: prost::DecodeError,
    },
    /// It cannot be written as JSON, for instance because a message inside is of an unknown type.
    #[error("message of type {type_url:?} cannot be written as JSON")]
    Write {
        /// The type URL.
        type_url: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// The message inside as JSON. Field names are as in proto files (`snake_case`), as Envoy's documentation has them;
/// messages inside of it are shown too, with their type in `@type`.
///
/// # Errors
/// When its type, or that of a message inside, is unknown, or its bytes cannot be decoded.
pub fn of_any(any: &Any) -> Result<Value, JsonError> {
    let Any { type_url, value } = any;
    let name = type_url.rsplit_once('/').map_or(type_url.as_str(), |(_, name)| name);
    let message = Descriptions::hold().message(name).ok_or_else(|| JsonError::Type(type_url.clone()))?;
    let message = DynamicMessage::decode(message, value.as_slice())
        .map_err(|source| JsonError::Decode { type_url: type_url.clone(), source })?;
    let options = SerializeOptions::new().use_proto_field_name(true).stringify_64_bit_integers(false);
    message
        .serialize_with_options(serde_json::value::Serializer, &options)
        .map_err(|source| JsonError::Write { type_url: type_url.clone(), source })
}

/// Why JSON is no message of a type.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub struct ReadError {
    /// The path of what is wrong, as far as it could be told: `static_resources.listeners[0].name`.
    pub path: String,
    /// What is wrong with it.
    #[source]
    pub source: serde_json::Error,
}

/// The message that JSON describes. Field names may be `snake_case` or `lowerCamelCase`; unknown ones are refused;
/// messages inside need their type in `@type`.
///
/// # Errors
/// What is wrong, and where.
pub fn read<M: Message + Name + Default>(value: &Value) -> Result<M, ReadError> {
    let nothing = |error: String| ReadError { path: String::new(), source: serde::de::Error::custom(error) };
    let descriptor = Descriptions::hold()
        .message(&M::full_name())
        .ok_or_else(|| nothing(format!("nothing is known of type {}", M::full_name())))?;
    let mut track = serde_path_to_error::Track::new();
    let reader = serde_path_to_error::Deserializer::new(value, &mut track);
    let message = DynamicMessage::deserialize(descriptor, reader);
    let message = message.map_err(|source| ReadError { path: track.path().to_string(), source })?;
    M::decode(message.encode_to_vec().as_slice()).map_err(|error| nothing(error.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        any,
        v3::{http_connection_manager::HttpConnectionManager, listener},
    };

    #[test]
    fn messages_inside_messages_are_shown() {
        let manager = HttpConnectionManager { stat_prefix: "inbound".into(), ..Default::default() };
        let filter = listener::Filter {
            name: "http".into(),
            config_type: Some(listener::filter::ConfigType::TypedConfig(any::pack(&manager))),
        };
        let chain = listener::FilterChain { filters: vec![filter], ..Default::default() };
        let listener = listener::Listener { name: "l".into(), filter_chains: vec![chain], ..Default::default() };
        let url =
            "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
        let inside = json!({ "@type": url, "stat_prefix": "inbound" });
        let expected =
            json!({ "name": "l", "filter_chains": [{ "filters": [{ "name": "http", "typed_config": inside }] }] });
        assert_eq!(of_any(&any::pack(&listener)).unwrap(), expected);
    }

    #[test]
    fn messages_are_read_as_they_are_shown() {
        let url = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";
        let inside = json!({ "@type": url, "stat_prefix": "x", "cluster": "c", "idle_timeout": "1.500s" });
        let shown = json!({ "name": "l", "filter_chains": [{ "filters": [{ "name": "f", "typed_config": inside }] }] });
        let message: listener::Listener = read(&shown).unwrap();
        assert_eq!(of_any(&any::pack(&message)).unwrap(), shown);
        let error = read::<listener::Listener>(&json!({ "filter_chains": [{ "nmae": "x" }] })).unwrap_err();
        assert_eq!(error.path, "filter_chains[0]");
        assert!(error.to_string().contains("nmae"), "{error}");
    }

    #[test]
    fn what_is_unknown_is_an_error() {
        let unknown = Any { type_url: "type.googleapis.com/no.Such".into(), value: Vec::new() };
        assert!(matches!(of_any(&unknown), Err(JsonError::Type(_))));
    }
}
