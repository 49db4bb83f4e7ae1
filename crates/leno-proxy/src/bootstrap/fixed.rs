//! The resources of the file itself: they never change.

use std::sync::Arc;

use leno_xds::ResourceType;

use crate::{
    config::{Cluster, Listener, Registry, Secret, Slot},
    settings::Bound,
};

/// The resources of a file.
#[derive(Debug, Default)]
pub struct Fixed {
    /// The slots of everything that the resources refer to.
    pub(super) registry: Registry,
    /// The clusters, by the order of the file.
    pub(super) clusters: Vec<Arc<Slot<Cluster>>>,
    /// The secrets that the others refer to by name.
    pub(super) secrets: Vec<Arc<Slot<Secret>>>,
    /// The listeners, for those who look.
    pub(super) listeners: Vec<Arc<Slot<Listener>>>,
    /// Their sockets.
    pub(super) bound: Vec<Arc<Bound>>,
}

impl Fixed {
    /// The slots of everything that the resources refer to, for who takes care of them from now on.
    pub(crate) fn take_registry(&mut self) -> Registry {
        std::mem::take(&mut self.registry)
    }

    /// Whether the file has this one.
    pub(crate) fn has(&self, resource_type: ResourceType, name: &str) -> bool {
        match resource_type {
            ResourceType::Cluster => self.clusters.iter().any(|slot| **slot.name() == *name),
            ResourceType::Listener => self.listeners.iter().any(|slot| **slot.name() == *name),
            ResourceType::Secret => self.secrets.iter().any(|slot| **slot.name() == *name),
            ResourceType::Endpoint | ResourceType::Route => false,
        }
    }

    /// The listeners.
    pub(crate) fn listeners(&self) -> &[Arc<Slot<Listener>>] {
        &self.listeners
    }

    /// The listeners' sockets.
    #[must_use]
    pub fn bound(&self) -> &[Arc<Bound>] {
        &self.bound
    }
}
