//! Where objects are read and replaced, and calls are counted: a running local mesh, or a cluster.

mod cluster;
mod local;

use std::time::Duration;

use leno_api::runner::{Calls, Replaced};
use leno_model::ServiceName;
use serde_json::Value;

pub(crate) use self::{cluster::InCluster, local::Local};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why an object was not replaced.
#[derive(Debug)]
pub(crate) enum NotReplaced {
    /// It has changed, or gone, since it was read.
    Changed,
    /// Something else.
    Failed(anyhow::Error),
}

/// All that a rollout needs of the place where its object is.
pub(crate) trait Place {
    /// How often the object, and what callers see, may be looked at.
    const LOOK: Duration;

    /// The object; `None` when it is not there.
    async fn read(&self) -> anyhow::Result<Option<Value>>;

    /// Puts the object in the place of the version that it was read as.
    async fn replace(&self, object: &Value) -> Result<Replaced, NotReplaced>;

    /// What everyone's sidecar counted of calls to a service.
    async fn calls(&self, service: &ServiceName) -> anyhow::Result<Calls>;

    /// How many instances of a service are ready; `None` when there is no such service.
    async fn ready(&self, service: &ServiceName) -> anyhow::Result<Option<u32>>;
}
