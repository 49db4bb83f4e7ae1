//! Where resources come from, and who is told what happens on the streams.

use std::{sync::Arc, time::Duration};

use leno_proto::v3::core::Node;
use tonic::{Extensions, Status};

use super::ChangeFeed;
use crate::{Resource, ResourceType};

/// What the server serves.
pub trait ResourceSource: Send + Sync + 'static {
    /// A client, as far as its resources depend on who it is.
    type Client: Send + Sync + 'static;
    /// All resources of one moment.
    type View: View<Self::Client>;
    /// What may have changed at once.
    type Change: Change<Self::Client>;

    /// Who is at the other end of a new stream. `extensions` are those of the request: what the transport knows of the
    /// connection.
    ///
    /// # Errors
    /// The status that the stream is refused with.
    fn admit(&self, node: &Node, extensions: &Extensions) -> Result<Self::Client, Status>;

    /// The resources as they are now.
    fn view(&self) -> Self::View;

    /// Says when resources may have changed. A change is published after [`ResourceSource::view`] shows it.
    fn feed(&self) -> &ChangeFeed<Self::Change>;
}

/// All resources of one moment, as one client sees them.
pub trait View<C>: Send + Sync + 'static {
    /// The version of the whole, for people.
    fn version(&self) -> String;

    /// The resource of this name; `None` when there is none or the client may not see it.
    fn resource(&self, client: &C, resource_type: ResourceType, name: &str) -> Option<Resource>;

    /// The names that a client which asks for everything is given.
    fn names(&self, client: &C, resource_type: ResourceType) -> Vec<Arc<str>>;
}

/// What may have changed, as far as one client is concerned. Naming what has not changed is harmless: only what has
/// another version is sent.
pub trait Change<C>: Send + Sync + 'static {
    /// Whether the resource of this name may have changed.
    fn touches(&self, client: &C, resource_type: ResourceType, name: &str) -> bool;

    /// Whether [`View::names`] may have changed.
    fn touches_names(&self, client: &C, resource_type: ResourceType) -> bool;
}

/// Is told what happens on the streams; counts it.
pub trait Observer: Send + Sync + 'static {
    /// An answer was sent.
    fn sent(&self, resource_type: ResourceType, resources: usize, bytes: usize);
    /// An answer was acknowledged, this long after the oldest change in it was published.
    fn acknowledged(&self, resource_type: ResourceType, convergence: Option<Duration>);
    /// An answer was refused.
    fn refused(&self, resource_type: ResourceType, message: &str);
}

/// Counts nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn sent(&self, _: ResourceType, _: usize, _: usize) {}

    fn acknowledged(&self, _: ResourceType, _: Option<Duration>) {}

    fn refused(&self, _: ResourceType, _: &str) {}
}
