//! Manifests to typed objects, with the line and field of everything that is wrong.

#![forbid(unsafe_code)]
