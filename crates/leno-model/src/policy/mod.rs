//! What people want of traffic.

pub mod access;
pub mod authorization;
pub mod authorizer;
pub mod egress;
pub mod http_match;
pub mod request_match;
pub mod traffic;
pub mod traffic_split;

pub use access::AccessPolicy;
pub use authorization::AccessRule;
pub use authorizer::{Authorizer, AuthorizerProtocol};
pub use egress::EgressPolicy;
pub use http_match::HttpMatch;
pub use request_match::{HeaderMatch, RequestMatch, TextMatch};
pub use traffic::{TrafficPolicy, TrafficSettings};
pub use traffic_split::TrafficSplit;
