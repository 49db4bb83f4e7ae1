//! Where manifests come from, and the store that turns them into snapshots.
//!
//! ```text
//! file: directory ──► tree (last good version of every object) ──► Objects
//! Objects ──► assemble (pure) ──► Snapshot, what could not be resolved, what has no effect
//! store: keeps what is unchanged, counts versions ──► watch::Receiver<Arc<Snapshot>>, Status
//! ```
//!
//! Nothing downstream knows where an object came from.

#![forbid(unsafe_code)]

pub mod assemble;
pub mod attachment;
pub mod certificate;
pub mod file;
pub mod objects;
pub mod status;
pub mod store;

pub use assemble::{Assembly, assemble};
pub use attachment::{Attachment, AttachmentReason};
pub use file::FileSource;
pub use objects::Objects;
pub use status::{Note, NoteReason, RouteCondition, Status};
pub use store::Store;
