//! Who calls, as telemetry names it: what an identity says, made once for each.

use std::{cell::RefCell, collections::HashMap, sync::Arc};

use leno_model::SpiffeId;

use crate::config::WorkloadLabels;

/// The most identities kept; beyond that they are forgotten and made anew.
const MAX: usize = 1024;

/// The callers that a worker has seen. Series are looked up by the identity of these labels, so that each identity
/// should have them once.
#[derive(Debug, Default)]
pub struct Callers {
    known: RefCell<HashMap<SpiffeId, Arc<WorkloadLabels>>>,
    /// Those without an identity.
    unknown: Arc<WorkloadLabels>,
}

impl Callers {
    /// The labels of a caller. A certificate names a service account: workload and pod stay empty.
    #[must_use]
    pub fn labels(&self, identity: Option<&SpiffeId>) -> Arc<WorkloadLabels> {
        let Some(identity) = identity else {
            return Arc::clone(&self.unknown);
        };
        let mut known = self.known.borrow_mut();
        if let Some(labels) = known.get(identity) {
            return Arc::clone(labels);
        }
        if known.len() >= MAX {
            known.clear();
        }
        let labels = Arc::new(WorkloadLabels {
            namespace: identity.service_account.namespace.as_str().into(),
            identity: identity.to_string().into(),
            ..WorkloadLabels::default()
        });
        known.insert(identity.clone(), Arc::clone(&labels));
        labels
    }
}
