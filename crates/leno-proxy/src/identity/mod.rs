//! The workload's identity: its own key, a certificate for it by signing request, and renewal at half its life.
//!
//! The key is made here and never leaves: not to the disk, not to the control plane. A renewal makes a new one. What is
//! replaced reaches new handshakes; no connection is dropped.

pub mod issue;
pub mod renew;

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use leno_tls::{Identity, Svid, TlsError, TrustBundle};
use tokio::sync::Notify;

/// The workload's certificate and trust bundle, once it has them.
#[derive(Debug, Default)]
pub struct Credentials {
    identity: OnceLock<Identity>,
    /// Wakes those who wait for the first certificate.
    first: Notify,
    /// Renewals that failed.
    failed: AtomicU64,
}

impl Credentials {
    /// The identity; `None` before the first certificate.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.get()
    }

    /// Waits for the first certificate.
    pub async fn wait(&self) -> &Identity {
        loop {
            let first = self.first.notified();
            if let Some(identity) = self.identity.get() {
                return identity;
            }
            first.await;
        }
    }

    /// Uses a certificate from now on. The first one comes with the root that it chains to; afterwards the control
    /// plane's trust bundle counts.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn install(&self, svid: Svid, bundle: TrustBundle) -> Result<(), TlsError> {
        match self.identity.get() {
            Some(identity) => {
                identity.replace_svid(svid);
                add_roots(identity, &bundle)
            }
            None => {
                let identity = Identity::new(svid, bundle)?;
                // Only one task installs.
                drop(self.identity.set(identity));
                self.first.notify_waiters();
                Ok(())
            }
        }
    }

    /// Trusts these roots, and only these, from now on.
    pub fn install_bundle(&self, bundle: TrustBundle) {
        if let Some(identity) = self.identity.get() {
            identity.replace_bundle(bundle);
        }
    }

    /// When the certificate expires; `None` before the first.
    #[must_use]
    pub fn expiry(&self) -> Option<SystemTime> {
        self.identity.get().map(|identity| identity.svid().credential().not_after())
    }

    /// As [`Self::expiry`], in seconds since the epoch; 0 for none.
    #[must_use]
    pub fn expiry_seconds(&self) -> u64 {
        let since_epoch = self.expiry().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        since_epoch.map_or(0, |time| time.as_secs())
    }

    /// Renewals that failed.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Counts a renewal that failed.
    pub(crate) fn count_failure(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }
}

/// Adds the root of a new certificate to the trusted ones: it may be the successor of the one in use, whose bundle has
/// not arrived yet.
fn add_roots(identity: &Identity, bundle: &TrustBundle) -> Result<(), TlsError> {
    let current = identity.bundle();
    let roots = current.roots().iter().chain(bundle.roots()).cloned().collect();
    identity.replace_bundle(TrustBundle::new(bundle.trust_domain().clone(), roots)?);
    Ok(())
}
