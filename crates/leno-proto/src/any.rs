//! Typed messages in `google.protobuf.Any`.

use prost::{Message, Name};

use crate::google::protobuf::Any;

/// Why an `Any` is not the message it should be.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// It holds a message of another type.
    #[error("type is {found:?}, expected {expected:?}")]
    Type {
        /// The type URL found.
        found: String,
        /// The type URL wanted.
        expected: String,
    },
    /// Its bytes are no message of its type.
    #[error("not a message of type {type_url:?}")]
    Decode {
        /// The type URL.
        type_url: String,
        /// What the decoder said.
        #[source]
        source: prost::DecodeError,
    },
}

/// Packs a message under its type URL (`type.googleapis.com/<full name>`).
#[must_use]
pub fn pack<M: Message + Name>(message: &M) -> Any {
    Any { type_url: M::type_url(), value: message.encode_to_vec() }
}

/// The message inside, which must be of this very type.
///
/// # Errors
/// When it is of another type, or its bytes cannot be decoded.
pub fn unpack<M: Message + Name + Default>(any: &Any) -> Result<M, UnpackError> {
    let expected = M::type_url();
    if any.type_url != expected {
        return Err(UnpackError::Type { found: any.type_url.clone(), expected });
    }
    M::decode(any.value.as_slice()).map_err(|source| UnpackError::Decode { type_url: expected, source })
}

/// Whether the `Any` holds a message of this type.
#[must_use]
pub fn is<M: Name>(any: &Any) -> bool {
    any.type_url == M::type_url()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v3::{cluster::Cluster, listener::Listener};

    #[test]
    fn a_message_survives_packing() {
        let cluster = Cluster { name: "inbound".into(), ..Cluster::default() };
        let any = pack(&cluster);
        assert!(is::<Cluster>(&any));
        assert_eq!(unpack::<Cluster>(&any).unwrap(), cluster);
    }

    #[test]
    fn another_type_is_refused_by_name() {
        let error = unpack::<Listener>(&pack(&Cluster::default())).unwrap_err();
        assert_eq!(
            error.to_string(),
            "type is \"type.googleapis.com/envoy.config.cluster.v3.Cluster\", expected \
             \"type.googleapis.com/envoy.config.listener.v3.Listener\""
        );
    }

    #[test]
    fn broken_bytes_are_refused() {
        let any = Any { type_url: Cluster::type_url(), value: vec![0xff] };
        assert!(matches!(unpack::<Cluster>(&any), Err(UnpackError::Decode { .. })));
    }
}
