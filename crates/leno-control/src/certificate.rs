//! The control plane's own certificate, and what becomes of workloads' requests for theirs.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use anyhow::Context as _;
use leno_ca::{Authority, Outcome, Settings, service::Observer};
use leno_model::{MeshConfig, Snapshot, WorkloadName};
use leno_runtime::Drained;
use leno_tls::{Credential, PrivateKey, ServerIdentity, csr, rotate};
use tokio::{sync::watch, time::sleep};
use tracing::{info, warn};

use crate::metric::Metrics;

/// How many expiries are kept before those that are past are dropped.
const EXPIRIES: usize = 4_096;

/// The mesh settings that issuing depends on.
pub(crate) fn settings(snapshot: &Snapshot) -> Settings {
    let MeshConfig { trust_domain, certificate_lifetime, .. } = &*snapshot.mesh;
    Settings { trust_domain: trust_domain.clone(), certificate_lifetime: *certificate_lifetime }
}

/// What the control plane needs to renew its own certificate.
pub(crate) struct Own {
    pub(crate) authority: Arc<Authority>,
    pub(crate) identity: ServerIdentity,
    pub(crate) names: Vec<String>,
}

/// The control plane's own identity, with a new key and certificate.
pub(crate) fn own(authority: &Authority, names: &[String], mesh: &MeshConfig) -> anyhow::Result<ServerIdentity> {
    let bundle = authority.bundle(mesh.trust_domain.clone()).context("read the authority's roots")?;
    let credential = credential(authority, names, mesh.certificate_lifetime)?;
    Ok(ServerIdentity::new(credential, bundle))
}

fn credential(authority: &Authority, names: &[String], lifetime: std::time::Duration) -> anyhow::Result<Credential> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let first = names.first().context("the control plane has no name")?;
    let key = PrivateKey::generate()?;
    let request = csr::server(&key, first)?;
    let issued = authority
        .issue_server(&request, &names, lifetime, SystemTime::now())
        .context("issue the control plane's certificate")?;
    Ok(Credential::new(&key, &issued.chain_pem())?)
}

/// Renews the control plane's certificate at half its life, and follows the trust domain, until it stops.
pub(crate) async fn rotate(own: Own, mut settings: watch::Receiver<Settings>, mut drained: Drained) {
    let mut failures = 0;
    loop {
        let current = own.identity.credential();
        let wait = match failures {
            0 => rotate::renew_in(current.not_before(), current.not_after(), SystemTime::now(), rand::random()),
            failures => rotate::retry_in(failures, rand::random()),
        };
        tokio::select! {
            () = sleep(wait) => {}
            changed = settings.changed() => match changed {
                Ok(()) => {
                    believe(&own, &settings.borrow_and_update().clone());
                    continue;
                }
                Err(_) => return,
            },
            () = drained.wait() => return,
        }
        let lifetime = settings.borrow().certificate_lifetime;
        match credential(&own.authority, &own.names, lifetime) {
            Ok(credential) => {
                info!("renewed the control plane's certificate");
                own.identity.replace_credential(credential);
                failures = 0;
            }
            Err(error) => {
                warn!("could not renew the control plane's certificate: {error:#}");
                failures += 1;
            }
        }
    }
}

fn believe(own: &Own, settings: &Settings) {
    match own.authority.bundle(settings.trust_domain.clone()) {
        Ok(bundle) => own.identity.replace_bundle(bundle),
        Err(error) => warn!(%error, "the authority's roots cannot be used"),
    }
}

/// Counts requests and remembers when the certificates end.
pub(crate) fn observer(metrics: Arc<Metrics>, expiries: Arc<Expiries>) -> Observer {
    Arc::new(move |outcome| match outcome {
        Outcome::Issued { id, pod, issued } => {
            metrics.certificate_issued();
            info!(%id, pod = pod.unwrap_or("-"), serial = issued.serial, "issued a certificate");
            if let Some(pod) = pod {
                let workload = WorkloadName::new(&id.service_account.namespace, *pod);
                expiries.note(workload, issued.not_after);
            }
        }
        Outcome::Refused { refusal, reason } => {
            metrics.certificate_refused(*refusal);
            warn!(reason, "refused a certificate");
        }
    })
}

/// When the certificates of workloads end, as far as this process issued them or has seen them.
#[derive(Debug, Default)]
pub(crate) struct Expiries(Mutex<HashMap<WorkloadName, SystemTime>>);

impl Expiries {
    /// A workload has a certificate that ends then. It may still use an older one for a while.
    pub(crate) fn note(&self, workload: WorkloadName, not_after: SystemTime) {
        let mut expiries = self.lock();
        if expiries.len() >= EXPIRIES {
            let now = SystemTime::now();
            expiries.retain(|_, not_after| *not_after > now);
        }
        let latest = expiries.entry(workload).or_insert(not_after);
        *latest = not_after.max(*latest);
    }

    /// When this workload's certificate ends.
    pub(crate) fn of(&self, workload: &WorkloadName) -> Option<SystemTime> {
        self.lock().get(workload).copied()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<WorkloadName, SystemTime>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use leno_model::TrustDomain;
    use leno_runtime::{drain, task};

    use super::*;

    #[tokio::test]
    async fn the_own_certificate_is_renewed_at_half_its_life() {
        leno_runtime::init::crypto();
        let folder = tempfile::tempdir().unwrap();
        let authority = leno_ca::store::file::open(&folder.path().join("ca"), &TrustDomain::default()).unwrap();
        let mesh = MeshConfig { certificate_lifetime: Duration::from_secs(2), ..MeshConfig::default() };
        let names = vec!["leno-control".to_owned()];
        let identity = own(&authority, &names, &mesh).unwrap();
        let first = identity.credential();
        let settings = Settings { trust_domain: mesh.trust_domain, certificate_lifetime: mesh.certificate_lifetime };
        let (_settings, settings) = watch::channel(settings);
        let (drain, drained) = drain::channel();
        let own = Own { authority: Arc::new(authority), identity: identity.clone(), names };
        let rotation = task::spawn(rotate(own, settings, drained));
        let renewed = async {
            while identity.credential().leaf() == first.leaf() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), renewed).await.unwrap();
        assert!(first.not_after() > SystemTime::now(), "the first was still valid");
        drain.start();
        rotation.await.unwrap();
    }

    #[test]
    fn expiries_that_are_past_are_dropped_when_there_are_many() {
        let expiries = Expiries::default();
        let past = SystemTime::now() - Duration::from_secs(1);
        for n in 0..EXPIRIES {
            expiries.note(WorkloadName::new("shop", n.to_string()), past);
        }
        let later = SystemTime::now() + Duration::from_secs(60);
        expiries.note(WorkloadName::new("shop", "new"), later);
        assert_eq!(expiries.lock().len(), 1);
        assert_eq!(expiries.of(&WorkloadName::new("shop", "new")), Some(later));
    }
}
