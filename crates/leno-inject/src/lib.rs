//! Which pods get a sidecar, and what of their traffic it leaves alone.

#![forbid(unsafe_code)]
