//! Where manifests come from, and the store that turns them into snapshots.

#![forbid(unsafe_code)]
