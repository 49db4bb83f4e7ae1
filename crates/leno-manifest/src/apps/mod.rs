//! Kubernetes' workloads (`apps/v1`), which the local runner turns into pods.

pub mod deployment;
pub mod stateful_set;

pub use deployment::Deployment;
pub use stateful_set::StatefulSet;
