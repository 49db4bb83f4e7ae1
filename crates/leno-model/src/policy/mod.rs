//! What people want of traffic.

pub mod authorization;
pub mod http_match;
pub mod traffic_split;

pub use authorization::AccessRule;
pub use http_match::HttpMatch;
pub use traffic_split::TrafficSplit;
