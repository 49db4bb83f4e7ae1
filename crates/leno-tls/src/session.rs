//! TLS sessions that a client may resume.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use rustls::{
    NamedGroup,
    client::{ClientSessionMemoryCache, ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue},
};
use rustls_pki_types::ServerName;

use crate::{Svid, TrustBundle};

/// Servers whose sessions one configuration remembers.
const SERVERS: usize = 64;

/// A memory of sessions that forgets everything when the own certificate or the bundle is replaced, and after a
/// quarter of the certificate's life. A session carries the certificates of its first handshake, on both sides; this
/// way they are never near their end when the peer checks them again.
pub(crate) struct Sessions {
    svid: Arc<ArcSwap<Svid>>,
    bundle: Arc<ArcSwap<TrustBundle>>,
    current: ArcSwap<Generation>,
}

struct Generation {
    svid: Arc<Svid>,
    bundle: Arc<TrustBundle>,
    started: Instant,
    cache: ClientSessionMemoryCache,
}

impl Generation {
    fn new(svid: Arc<Svid>, bundle: Arc<TrustBundle>) -> Arc<Self> {
        Arc::new(Self { svid, bundle, started: Instant::now(), cache: ClientSessionMemoryCache::new(SERVERS) })
    }

    fn is_current(&self, svid: &Arc<Svid>, bundle: &Arc<TrustBundle>) -> bool {
        Arc::ptr_eq(&self.svid, svid) && Arc::ptr_eq(&self.bundle, bundle) && self.started.elapsed() < self.longest()
    }

    fn longest(&self) -> Duration {
        self.svid.credential().lifetime() / 4
    }
}

impl Sessions {
    pub(crate) fn new(svid: Arc<ArcSwap<Svid>>, bundle: Arc<ArcSwap<TrustBundle>>) -> Self {
        let current = Generation::new(svid.load_full(), bundle.load_full());
        Self { svid, bundle, current: ArcSwap::new(current) }
    }

    fn generation(&self) -> Arc<Generation> {
        let (svid, bundle) = (self.svid.load_full(), self.bundle.load_full());
        let current = self.current.load_full();
        if current.is_current(&svid, &bundle) {
            return current;
        }
        // Two threads may both start a generation; the loser's sessions are merely forgotten.
        let fresh = Generation::new(svid, bundle);
        self.current.store(Arc::clone(&fresh));
        fresh
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

impl ClientSessionStore for Sessions {
    fn set_kx_hint(&self, server_name: ServerName<'static>, group: NamedGroup) {
        self.generation().cache.set_kx_hint(server_name, group);
    }

    fn kx_hint(&self, server_name: &ServerName<'_>) -> Option<NamedGroup> {
        self.generation().cache.kx_hint(server_name)
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, server_name: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.generation().cache.insert_tls13_ticket(server_name, value);
    }

    fn take_tls13_ticket(&self, server_name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.generation().cache.take_tls13_ticket(server_name)
    }
}
