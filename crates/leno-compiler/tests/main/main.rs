//! The compiler as its callers see it: golden resources, access semantics, and what changes touch.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod access;
mod affected;
mod envoy;
mod explain;
mod golden;
mod mesh;
mod policy;
mod route;
mod routing;
mod traffic;
