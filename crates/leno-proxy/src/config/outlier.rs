//! The watch over a cluster's endpoints: those that fail more than others get nothing for a while.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use leno_engine::resilience::outlier::{Ejections, Outcome, OutlierDetection, OutlierState, Verdict, Watched};

use super::{Cluster, Endpoint, hosts};
use crate::{
    clock,
    telemetry::event::{EndpointEjected, EndpointReturned},
    worker::Worker,
};

/// The watch over a cluster's endpoints.
#[derive(Debug)]
pub struct OutlierDetector {
    /// What counts as an outlier.
    pub settings: OutlierDetection,
    /// When the endpoints were last compared, in nanoseconds.
    swept: AtomicU64,
}

/// Comparisons that are caught up with after a time without requests: after as many no ejection counts any more.
const MISSED: u64 = 16;

impl OutlierDetector {
    /// A watch that begins now.
    #[must_use]
    pub fn new(settings: OutlierDetection) -> Self {
        Self { settings, swept: AtomicU64::new(nanos(clock::now())) }
    }

    /// Notes what came of a request or connection.
    pub(super) fn record(
        &self,
        worker: &Worker,
        cluster: &Cluster,
        all: &[Arc<Endpoint>],
        endpoint: &Endpoint,
        outcome: Outcome,
    ) {
        for cause in endpoint.outlier.record(&self.settings, outcome).into_iter().flatten() {
            let ejections = Ejections::new(&self.settings, all);
            let verdict = ejections.eject(&endpoint.outlier, cause, clock::now(), &mut rand::rng());
            EndpointEjected { worker, cluster, endpoint, cause, verdict }.emit();
            if let Verdict::Ejected(_) = verdict {
                hosts::health_changed();
            }
        }
    }

    /// Lets an endpoint back that passed a health check.
    pub(super) fn passed_check(&self, cluster: &Cluster, all: &[Arc<Endpoint>], endpoint: &Endpoint) {
        if Ejections::new(&self.settings, all).passed_health_check(&endpoint.outlier, clock::now()) {
            EndpointReturned { cluster, endpoint }.emit();
            hosts::health_changed();
        }
    }

    /// Compares the endpoints when that is due, and lets those back whose time has passed.
    pub(super) fn sweep(&self, worker: &Worker, cluster: &Cluster, all: &[Arc<Endpoint>]) {
        let now = clock::now();
        let interval = nanos(self.settings.interval).max(1);
        let last = self.swept.load(Ordering::Relaxed);
        let due = nanos(now).saturating_sub(last) / interval;
        // One worker does it.
        if due == 0
            || self.swept.compare_exchange(last, last + due * interval, Ordering::Relaxed, Ordering::Relaxed).is_err()
        {
            return;
        }
        let ejections = Ejections::new(&self.settings, all);
        for _ in 0..due.min(MISSED) {
            let sweep = ejections.sweep(now, &mut rand::rng());
            for endpoint in sweep.returned.iter().filter_map(|place| all.get(*place)) {
                EndpointReturned { cluster, endpoint }.emit();
            }
            for detected in &sweep.detected {
                let Some(endpoint) = all.get(detected.host) else { continue };
                let (cause, verdict) = (detected.cause, detected.verdict);
                EndpointEjected { worker, cluster, endpoint, cause, verdict }.emit();
            }
            if !sweep.returned.is_empty() || !sweep.detected.is_empty() {
                hosts::health_changed();
            }
        }
    }
}

impl Watched for Endpoint {
    fn outlier(&self) -> &OutlierState {
        &self.outlier
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
