//! Identities on the wire: SVIDs, trust bundles, and the only rustls configuration in the tree.

#![forbid(unsafe_code)]
