//! The certificate authority: roots, issuing, attestation of workloads.

#![forbid(unsafe_code)]
