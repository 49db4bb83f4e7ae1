//! The server: answers discovery streams from what a source knows.
//!
//! ```text
//! Ads ──► one Stream a client ──► Session ──► one Subscription a type
//!          │ moves messages        │ which answer may go now, ACK, NACK      │ what the client was told, what it lacks
//!          └ asks ResourceSource   └ order of types, removals last           └ names, wildcard, versions
//! ```
//!
//! Back-pressure: a stream has at most one unacknowledged answer a type, and answers are made only when the transport
//! takes them; what changes meanwhile is remembered as names, not as messages.

mod ads;
mod feed;
mod render;
mod session;
mod source;
mod status;
mod stream;
mod subscription;
#[cfg(test)]
mod together;

pub use ads::{Ads, Limits};
pub use feed::ChangeFeed;
pub use source::{Change, NoObserver, Observer, ResourceSource, View};
pub use status::{Acknowledged, Flavour, Refusal, Sent, StatusBoard, StreamStatus, Told, TypeStatus};
