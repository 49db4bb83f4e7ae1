//! What a client is doing, for readiness, metrics and people.

use std::time::SystemTime;

/// Whether there is a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    /// One is being opened.
    Connecting,
    /// There is one.
    Connected {
        /// Since when.
        since: SystemTime,
    },
    /// There is none; the next attempt follows.
    Disconnected {
        /// Since when.
        since: SystemTime,
        /// Why.
        error: String,
    },
}

/// What a client is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientState {
    /// Whether there is a stream.
    pub connection: Connection,
    /// How many streams were opened so far.
    pub streams: u64,
    /// How many updates were taken into use.
    pub acknowledged: u64,
    /// How many updates were refused, in part or whole.
    pub refused: u64,
    /// Why the last refused update was refused.
    pub last_refusal: Option<String>,
    /// When the last update came.
    pub last_update: Option<SystemTime>,
}

impl Default for ClientState {
    fn default() -> Self {
        Self {
            connection: Connection::Connecting,
            streams: 0,
            acknowledged: 0,
            refused: 0,
            last_refusal: None,
            last_update: None,
        }
    }
}

impl ClientState {
    /// Whether there is a stream.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        matches!(self.connection, Connection::Connected { .. })
    }
}
