//! TLS of a configuration's own, on both sides: what is shown and asked for, with the secrets of the moment.
//!
//! A rustls configuration is made at the first handshake, and anew at the first one after a secret has changed.

mod client;
mod server;

use std::sync::Arc;

pub use client::{ClientContext, ReadyClient};
use leno_tls::{TlsError, context::Trust};
pub use server::{ReadyServer, ServerContext};

use super::{
    Slot,
    secret::{self, Secret, Unusable},
};

/// Whom to believe: what is written in place, and what a secret says besides.
#[derive(Debug)]
pub struct TrustSource {
    /// What is written in place.
    pub own: Trust,
    /// The secret, whose word counts more.
    pub secret: Option<Arc<Slot<Secret>>>,
}

/// Why a handshake cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    /// A secret cannot be used.
    #[error(transparent)]
    Secret(#[from] Unusable),
    /// rustls refuses it.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Secrets of the moment, in the order of their slots.
fn secrets<'a>(slots: impl Iterator<Item = &'a Arc<Slot<Secret>>>) -> Result<Vec<Arc<Secret>>, NotReady> {
    slots.map(|slot| secret::current(slot).map_err(NotReady::from)).collect()
}

/// Whether both are the same.
fn same(then: &[Arc<Secret>], now: &[Arc<Secret>]) -> bool {
    then.len() == now.len() && then.iter().zip(now).all(|(then, now)| Arc::ptr_eq(then, now))
}

impl TrustSource {
    /// The rules together.
    fn merged(&self, secret: Option<&Arc<Secret>>) -> Result<Trust, NotReady> {
        match (secret.map(|secret| &**secret), &self.secret) {
            (Some(Secret::Trust(trust)), _) => Ok(self.own.merged(trust)),
            (Some(Secret::Certificate(_)), Some(slot)) => Err(Unusable::Kind(Arc::clone(slot.name())).into()),
            (Some(Secret::Certificate(_)) | None, _) => Ok(self.own.clone()),
        }
    }
}
