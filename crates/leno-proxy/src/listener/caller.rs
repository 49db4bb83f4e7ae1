//! Who calls, as telemetry names it: what an identity says, made once for each.

use std::{cell::RefCell, collections::HashMap, sync::Arc};

use leno_model::SpiffeId;

use crate::{config::WorkloadLabels, tls::accept::Caller};

/// The most identities kept; beyond that they are forgotten and made anew.
const MAX: usize = 1024;

/// The most workloads kept of one identity.
const MAX_WORKLOADS: usize = 64;

/// Labels by identity, one for each workload that has it.
type Known = HashMap<SpiffeId, Vec<Arc<WorkloadLabels>>>;

/// The callers that a worker has seen. Series are looked up by the identity of these labels, so that each identity
/// should have them once.
#[derive(Debug, Default)]
pub struct Callers {
    known: RefCell<Known>,
    /// Those without an identity.
    unknown: Arc<WorkloadLabels>,
}

impl Callers {
    /// The labels of a caller. A certificate names no pod.
    #[must_use]
    pub fn labels(&self, caller: Option<&Caller>) -> Arc<WorkloadLabels> {
        let Some(Caller { identity, workload }) = caller else {
            return Arc::clone(&self.unknown);
        };
        let mut known = self.known.borrow_mut();
        if known.len() >= MAX && !known.contains_key(identity) {
            known.clear();
        }
        let of_identity = known.entry(identity.clone()).or_default();
        if let Some(labels) = of_identity.iter().find(|labels| labels.workload == *workload) {
            return Arc::clone(labels);
        }
        if of_identity.len() >= MAX_WORKLOADS {
            of_identity.clear();
        }
        let labels = Arc::new(WorkloadLabels {
            workload: workload.clone(),
            namespace: identity.service_account.namespace.as_str().into(),
            identity: identity.to_string().into(),
            ..WorkloadLabels::default()
        });
        of_identity.push(Arc::clone(&labels));
        labels
    }
}
