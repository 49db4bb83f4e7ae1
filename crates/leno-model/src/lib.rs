//! The vocabulary of the mesh.
//!
//! Plain values that every other crate shares: what a service, an endpoint, a workload, an identity and a policy
//! *are*. A [`Snapshot`] holds all that the mesh knows at one version and is the compiler's only input.
//!
//! ```text
//! manifest ──► Snapshot { MeshConfig, services ──► endpoints, workloads, access rules, routes, traffic splits } ──► compiler
//! ```
//!
//! This crate knows no I/O, no async, no protobuf, no YAML and no Kubernetes client.

#![forbid(unsafe_code)]

pub mod identity;
pub mod invalid;
pub mod key_pair;
pub mod locality;
pub mod mesh;
pub mod name;
pub mod policy;
pub mod resource_name;
pub mod route;
pub mod service;
pub mod snapshot;
pub mod unit;
pub mod workload;

pub use identity::{ServiceAccountName, SpiffeId, TrustDomain};
pub use invalid::{Invalid, Location};
pub use key_pair::KeyPair;
pub use locality::Locality;
pub use mesh::MeshConfig;
pub use name::{ObjectRef, SecretName, ServiceName, WorkloadName};
pub use route::Route;
pub use service::{Endpoint, Protocol, Service, ServicePort};
pub use snapshot::Snapshot;
pub use workload::Workload;
