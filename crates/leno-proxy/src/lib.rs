//! The sidecar: every request to and from a workload goes through it.
