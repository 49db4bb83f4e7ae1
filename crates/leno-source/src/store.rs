//! Keeps the current snapshot: what did not change stays the same value, so that whoever compares sees at once what did.

use std::{collections::BTreeMap, sync::Arc};

use leno_model::Snapshot;

use crate::{Assembly, Objects, assemble};

/// The current snapshot.
#[derive(Debug, Default)]
pub struct Store {
    snapshot: Arc<Snapshot>,
}

impl Store {
    /// The current snapshot.
    #[must_use]
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// Takes the objects as they are now. Gives what they mean together; its snapshot has the next version when
    /// anything in it changed, and the same version when nothing did.
    pub fn update(&mut self, objects: &Objects) -> Assembly {
        let mut assembly = assemble(objects);
        keep(&self.snapshot, &mut assembly.snapshot);
        assembly.snapshot.version = self.snapshot.version;
        if assembly.snapshot != *self.snapshot || self.snapshot.version == 0 {
            assembly.snapshot.version += 1;
            self.snapshot = Arc::new(assembly.snapshot.clone());
        }
        assembly
    }
}

/// Puts the earlier values in the place of equal ones.
fn keep(before: &Snapshot, now: &mut Snapshot) {
    keep_one(&before.mesh, &mut now.mesh);
    keep_map(&before.services, &mut now.services);
    keep_map(&before.workloads, &mut now.workloads);
    let rules: BTreeMap<_, _> = before.access_rules.iter().map(|rule| (&rule.origin, rule)).collect();
    for rule in &mut now.access_rules {
        if let Some(earlier) = rules.get(&rule.origin) {
            keep_one(earlier, rule);
        }
    }
    keep_map(&before.traffic_policies, &mut now.traffic_policies);
    let policies: BTreeMap<_, _> = before.egress_policies.iter().map(|policy| (&policy.origin, policy)).collect();
    for policy in &mut now.egress_policies {
        if let Some(earlier) = policies.get(&policy.origin) {
            keep_one(earlier, policy);
        }
    }
    let policies: BTreeMap<_, _> = before.access_policies.iter().map(|policy| (&policy.origin, policy)).collect();
    for policy in &mut now.access_policies {
        if let Some(earlier) = policies.get(&policy.origin) {
            keep_one(earlier, policy);
        }
    }
    let routes: BTreeMap<_, _> = before.routes.iter().map(|route| (&route.origin, route)).collect();
    for route in &mut now.routes {
        if let Some(earlier) = routes.get(&route.origin) {
            keep_one(earlier, route);
        }
    }
    let splits: BTreeMap<_, _> = before.traffic_splits.iter().map(|split| (&split.origin, split)).collect();
    for split in &mut now.traffic_splits {
        if let Some(earlier) = splits.get(&split.origin) {
            keep_one(earlier, split);
        }
    }
}

fn keep_map<K: Ord, V: PartialEq>(before: &BTreeMap<K, Arc<V>>, now: &mut BTreeMap<K, Arc<V>>) {
    for (key, value) in now {
        if let Some(earlier) = before.get(key) {
            keep_one(earlier, value);
        }
    }
}

fn keep_one<V: PartialEq>(before: &Arc<V>, now: &mut Arc<V>) {
    if before == now {
        *now = Arc::clone(before);
    }
}
