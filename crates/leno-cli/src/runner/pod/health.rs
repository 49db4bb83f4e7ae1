//! The probes of a running container, one after the other as Kubernetes has it: startup first, then liveness and
//! readiness side by side.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use leno_manifest::core::pod::{Container, Probe};
use tokio::sync::mpsc;

use super::{
    probe::{Target, attempt},
    process::Process,
    tally::{Tally, Verdict},
};
use crate::sandbox;

/// What probes find out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// The container has started.
    Started,
    /// It takes requests, or no longer does, and why not.
    Ready(Result<(), String>),
    /// A try to find out whether it is ready was not content: why.
    Unready(String),
    /// It must be restarted, within this grace period if the probe says one.
    Dead(String, Option<u32>),
}

/// A container to look after.
pub(crate) struct Patient {
    /// Its pod's place.
    pub(crate) place: Arc<sandbox::Pod>,
    /// The container.
    pub(crate) container: Container,
    /// How commands run beside it.
    pub(crate) process: Process,
    /// When it was started.
    pub(crate) since: Instant,
    /// Where findings go.
    pub(crate) findings: mpsc::Sender<Finding>,
}

impl Patient {
    /// Probes until the task is aborted or nobody listens any more.
    pub(crate) async fn watch(self) {
        if let Some(probe) = &self.container.startup_probe {
            let mut tally = Tally::new(probe);
            self.initial_delay(probe).await;
            loop {
                match self.next(probe, &mut tally).await {
                    (Some(Verdict::Good), _) => break,
                    (Some(Verdict::Bad), why) => {
                        let why = format!("startup probe failed: {}", why.unwrap_or_default());
                        self.tell(Finding::Dead(why, probe.termination_grace_period_seconds)).await;
                        return;
                    }
                    (None, _) => {}
                }
                tokio::time::sleep(tally.pause()).await;
            }
        }
        self.tell(Finding::Started).await;
        tokio::join!(self.readiness(), self.liveness());
    }

    async fn readiness(&self) {
        let Some(probe) = &self.container.readiness_probe else {
            self.tell(Finding::Ready(Ok(()))).await;
            return;
        };
        let mut tally = Tally::new(probe);
        self.initial_delay(probe).await;
        while !self.findings.is_closed() {
            let (verdict, why) = self.next(probe, &mut tally).await;
            match verdict {
                Some(Verdict::Good) => self.tell(Finding::Ready(Ok(()))).await,
                Some(Verdict::Bad) => {
                    self.tell(Finding::Ready(Err(format!("readiness probe failed: {}", why.unwrap_or_default()))))
                        .await;
                }
                None => {
                    if let Some(why) = why {
                        self.tell(Finding::Unready(why)).await;
                    }
                }
            }
            tokio::time::sleep(tally.pause()).await;
        }
    }

    async fn liveness(&self) {
        let Some(probe) = &self.container.liveness_probe else { return };
        let mut tally = Tally::new(probe);
        let period = Duration::from_secs(probe.period_seconds.unwrap_or(10).max(1).into());
        self.initial_delay(probe).await;
        while !self.findings.is_closed() {
            let (verdict, why) = self.next(probe, &mut tally).await;
            if verdict == Some(Verdict::Bad) {
                let why = format!("liveness probe failed: {}", why.unwrap_or_default());
                self.tell(Finding::Dead(why, probe.termination_grace_period_seconds)).await;
                return;
            }
            tokio::time::sleep(period).await;
        }
    }

    async fn initial_delay(&self, probe: &Probe) {
        let delay = Duration::from_secs(probe.initial_delay_seconds.unwrap_or(0).into());
        tokio::time::sleep(delay.saturating_sub(self.since.elapsed())).await;
    }

    async fn next(&self, probe: &Probe, tally: &mut Tally) -> (Option<Verdict>, Option<String>) {
        let target = Target { place: &self.place, container: &self.container, process: &self.process };
        let outcome = attempt(probe, &target).await;
        (tally.count(outcome.is_ok(), self.since.elapsed()), outcome.err())
    }

    async fn tell(&self, finding: Finding) {
        // Nobody listens when the container has just ended; the task is aborted then.
        self.findings.send(finding).await.ok();
    }
}
