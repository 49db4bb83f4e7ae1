//! The mesh model to xDS resources: plain functions.

#![forbid(unsafe_code)]
