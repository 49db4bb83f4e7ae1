//! End to end: one file a user's task. `osm` carries over the tests of Open Service Mesh, each by its name there.

#![expect(clippy::too_many_lines, reason = "a test tells one story from its beginning to its end")]

mod access;
mod access_policy;
mod bookstore;
mod certificate;
mod client_certificate;
mod connectivity;
mod dns;
mod docs;
mod edit;
mod egress;
mod explain;
mod external;
mod from_file;
mod gateway;
mod global_limit;
mod h2spec;
mod kubernetes;
mod lifecycle;
mod network_ratelimit;
mod origination;
mod osm;
mod promote;
mod protocol;
mod ratelimit;
mod rollout;
mod route_policy;
mod session;
mod split;
mod telemetry;
mod traffic;
mod wire;
mod xds;
