//! Kubernetes' core objects (`v1`, `discovery.k8s.io/v1`), as far as the mesh and the local runner use them.

pub mod config_map;
pub mod endpoint_slice;
pub mod namespace;
pub mod pod;
pub mod secret;
pub mod service;
pub mod service_account;

pub use config_map::ConfigMap;
pub use endpoint_slice::EndpointSlice;
pub use namespace::Namespace;
pub use pod::Pod;
pub use secret::Secret;
pub use service::Service;
pub use service_account::ServiceAccount;
