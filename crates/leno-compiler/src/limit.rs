//! What is bounded when nobody says otherwise.

use std::time::Duration;

/// The most connections to a cluster, requests waiting for one, and requests under way.
pub const CLUSTER: u32 = 65_536;
/// How long a connection, TLS included, may take to be there.
pub const CONNECT: Duration = Duration::from_secs(5);
/// How long the first bytes of a connection may take, where they have to show what is spoken.
pub const FIRST_BYTES: Duration = Duration::from_secs(5);
/// How long an answer may take: for ever. A mesh that nobody has configured must not cut an answer short; Envoy's own
/// default is 15 s.
pub const ANSWER: Duration = Duration::ZERO;
