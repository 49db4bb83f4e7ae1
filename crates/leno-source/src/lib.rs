//! Where manifests come from, and the store that turns them into snapshots.
//!
//! ```text
//! file: directory ──► tree (last good version of every object) ──► Objects
//! kubernetes: API server ──► held (last good version of every object) ──► Objects
//! Objects ──► assemble (pure) ──► Snapshot, what could not be resolved, what has no effect
//! store: keeps what is unchanged, counts versions ──► watch::Receiver<Arc<Snapshot>>, Status
//! ```
//!
//! Nothing downstream knows where an object came from.

#![forbid(unsafe_code)]

pub mod assemble;
pub mod attachment;
pub mod certificate;
mod contents;
pub mod file;
pub mod kubernetes;
pub mod objects;
pub mod secret;
mod source;
pub mod status;
pub mod store;

pub use assemble::{Assembly, assemble};
pub use attachment::{Attachment, AttachmentReason};
pub use contents::Contents;
pub use objects::Objects;
pub use source::Source;
pub use status::{Note, NoteReason, RouteCondition, Status};
pub use store::Store;
