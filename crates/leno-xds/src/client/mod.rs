//! The client: one stream, incremental or of the state of the world, kept open.
//!
//! ```text
//! Handle ──subscribe, unsubscribe──► Client::run ──► Connector ──► stream ──► Handler::apply ──► ACK or NACK
//!    ▲ state                          │ Wanted: names, versions held        (on loss: back off, resume with versions)
//!    └────────────────────────────────┘
//! ```
//!
//! Names may be added and dropped at any time, connected or not. A refused update leaves the versions held as they
//! were, so that a later stream says truthfully what is in use.

mod backoff;
mod handle;
mod pace;
mod run;
mod state;
pub(crate) mod wanted;
mod wire;

use std::{error::Error, fmt, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use leno_proto::v3::core::Node;
use tonic::{metadata::MetadataMap, transport::Channel};

pub use backoff::Backoff;
pub use handle::{Gone, Handle};
pub use pace::Pace;
pub use run::{Client, client, tune};
pub use state::{ClientState, Connection};
pub use wire::{Protocol, Service};

use crate::{Resource, ResourceType};

/// Why a connection could not be made.
pub type ConnectError = Box<dyn Error + Send + Sync>;

/// Makes a connection to the server; asked anew each time, so that it can use the certificate of the day.
pub type Connector = Arc<dyn Fn() -> BoxFuture<'static, Result<Channel, ConnectError>> + Send + Sync>;

/// What a client needs.
pub struct Config {
    /// Who it says it is.
    pub node: Node,
    /// How it connects.
    pub connector: Connector,
    /// How long it waits between attempts.
    pub backoff: Backoff,
    /// What it holds already, from disk: type, name, version. Only what is subscribed to is resumed.
    pub held: Vec<(ResourceType, String, String)>,
    /// What is spoken on the stream, and how.
    pub manner: Manner,
}

/// How a client speaks with its server ([`ApiConfigSource`]).
///
/// [`ApiConfigSource`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/core/v3/config_source.proto#config-core-v3-apiconfigsource
#[derive(Clone, Debug, Default)]
pub struct Manner {
    /// The protocol.
    pub protocol: Protocol,
    /// The service.
    pub service: Service,
    /// Sent when a stream is opened (`grpc_services.initial_metadata`).
    pub metadata: MetadataMap,
    /// Whether each request says who asks, not only the first of a stream (`set_node_on_first_message_only: false`).
    pub node_always: bool,
    /// How fast requests are sent; `None`: as they come up.
    pub pace: Option<Pace>,
    /// How long a name that was let go of and is asked for again may be without an answer before a new stream is opened,
    /// as not every server says again what it has said; `None`: for ever.
    pub patience: Option<Duration>,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("node", &self.node.id).field("backoff", &self.backoff).finish_non_exhaustive()
    }
}

/// What an answer changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// The type of all of it.
    pub resource_type: ResourceType,
    /// The server's version of the whole, for people.
    pub version: String,
    /// New or changed.
    pub resources: Vec<Resource>,
    /// Not there, or not any more.
    pub removed: Vec<Arc<str>>,
}

/// Takes updates into use.
pub trait Handler: Send + 'static {
    /// Takes an update into use, or says which of its resources cannot be used. What is not refused is in use
    /// afterwards.
    ///
    /// # Errors
    /// [`Refused`] names the resources that keep their last good version.
    fn apply(&mut self, update: Update) -> Result<(), Refused>;
}

impl<F: FnMut(Update) -> Result<(), Refused> + Send + 'static> Handler for F {
    fn apply(&mut self, update: Update) -> Result<(), Refused> {
        self(update)
    }
}

/// Resources that cannot be used, each with the reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// Name and reason.
    pub resources: Vec<(Arc<str>, String)>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, reason)) in self.resources.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{name}: {reason}")?;
        }
        Ok(())
    }
}
