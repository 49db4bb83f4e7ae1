//! Secrets: certificates with their keys, and rules whom to believe, by name or written where they are used.

use std::sync::Arc;

use leno_tls::context::{Certificate, Trust};

use super::Slot;

/// A secret ([`envoy.extensions.transport_sockets.tls.v3.Secret`]).
///
/// [`envoy.extensions.transport_sockets.tls.v3.Secret`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/transport_sockets/tls/v3/secret.proto
#[derive(Debug)]
pub enum Secret {
    /// What is shown.
    Certificate(Certificate),
    /// Whom to believe.
    Trust(Box<Trust>),
}

/// Why a secret cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It is not there (yet).
    #[error("the secret {0:?} has not arrived")]
    Missing(Arc<str>),
    /// It is of another kind.
    #[error("the secret {0:?} is of another kind")]
    Kind(Arc<str>),
}

/// The secret of the moment.
pub(super) fn current(slot: &Arc<Slot<Secret>>) -> Result<Arc<Secret>, Unusable> {
    slot.get().ok_or_else(|| Unusable::Missing(Arc::clone(slot.name())))
}
