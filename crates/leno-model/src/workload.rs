//! Workloads: the instances that run.

use std::{collections::BTreeMap, net::IpAddr};

use serde::{Deserialize, Serialize};

use crate::{Locality, ServiceAccountName, WorkloadName};

/// One instance: a Pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workload {
    /// Its name.
    pub name: WorkloadName,
    /// Its addresses; empty until it has one.
    pub addresses: Vec<IpAddr>,
    /// Who it runs as.
    pub service_account: ServiceAccountName,
    /// The name of what made it (Deployment, StatefulSet…), or its own: the `workload` label of metrics.
    pub owner: String,
    /// `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// Whether it has a sidecar.
    pub meshed: bool,
}

impl Workload {
    /// Where it runs, as its labels say.
    #[must_use]
    pub fn locality(&self) -> Locality {
        Locality::of_labels(&self.labels)
    }
}
