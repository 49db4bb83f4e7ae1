//! The side of a client that its owners hold.

use tokio::sync::{mpsc, watch};

use super::ClientState;
use crate::ResourceType;

/// What can be asked of a running client.
#[derive(Debug)]
pub(super) enum Command {
    Subscribe(ResourceType, Vec<String>),
    Unsubscribe(ResourceType, Vec<String>),
    Reconnect,
}

/// The client does not run any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the discovery client has ended")]
pub struct Gone;

/// Asks things of a running client. Cheap to clone; when the last one is dropped, the client ends.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) state: watch::Receiver<ClientState>,
}

impl Handle {
    /// Subscribes to these names, now if connected, else when it is. Names that are subscribed to already are left alone.
    ///
    /// # Errors
    /// When the client has ended.
    pub async fn subscribe<I>(&self, resource_type: ResourceType, names: I) -> Result<(), Gone>
    where
        I: IntoIterator<Item: Into<String>>,
    {
        let names = names.into_iter().map(Into::into).collect();
        self.commands.send(Command::Subscribe(resource_type, names)).await.map_err(|_| Gone)
    }

    /// Drops these names and what is held of them.
    ///
    /// # Errors
    /// When the client has ended.
    pub async fn unsubscribe<I>(&self, resource_type: ResourceType, names: I) -> Result<(), Gone>
    where
        I: IntoIterator<Item: Into<String>>,
    {
        let names = names.into_iter().map(Into::into).collect();
        self.commands.send(Command::Unsubscribe(resource_type, names)).await.map_err(|_| Gone)
    }

    /// Opens a new stream in place of the present one, for instance with a new certificate.
    ///
    /// # Errors
    /// When the client has ended.
    pub async fn reconnect(&self) -> Result<(), Gone> {
        self.commands.send(Command::Reconnect).await.map_err(|_| Gone)
    }

    /// Subscribes without waiting; `false` when the client has ended or too many commands wait for it.
    #[must_use]
    pub fn try_subscribe(&self, resource_type: ResourceType, name: &str) -> bool {
        self.commands.try_send(Command::Subscribe(resource_type, vec![name.to_owned()])).is_ok()
    }

    /// Drops a name without waiting; `false` when the client has ended or too many commands wait for it.
    #[must_use]
    pub fn try_unsubscribe(&self, resource_type: ResourceType, name: &str) -> bool {
        self.commands.try_send(Command::Unsubscribe(resource_type, vec![name.to_owned()])).is_ok()
    }

    /// What the client is doing, now and as it changes.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<ClientState> {
        self.state.clone()
    }
}
