//! The control plane: objects in, xDS and certificates out.

#![forbid(unsafe_code)]
