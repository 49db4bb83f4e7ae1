//! Kubernetes' API: which cluster, and its objects read, replaced and followed.
//!
//! ```text
//! access (kubeconfig, or the pod's own account) ──► Cluster ──► object: read, replace
//!                                                        └────► follow: all objects of a kind, then what changes
//!                                                        └────► token: whose it is
//!                                                        └────► pod: a port of a pod, through the API server
//! ```
//!
//! An API server's questions about objects that it is to store are read and answered here, too (admission).
//!
//! Objects are JSON here; what they mean is for `leno-manifest` to say. Nothing else in the tree links the client library.

#![forbid(unsafe_code)]

mod access;
mod admission;
mod error;
mod follow;
mod object;
mod pod;
mod resource;
mod token;

pub use access::{Access, Cluster, ClusterArgs};
pub use admission::{Admission, Verdict};
pub use error::Error;
pub use follow::{Change, Followed, follow};
pub use object::NotReplaced;
pub use token::{Bearer, Review};
