//! Leno's own objects (`policy.leno.dev`).

pub mod access_policy;
pub mod egress_policy;
pub mod external_authorizer;
pub mod mesh_config;
pub mod service_ref;
pub mod target;
pub mod text_match;
pub mod traffic_policy;

pub use access_policy::AccessPolicy;
pub use egress_policy::EgressPolicy;
pub use mesh_config::MeshConfig;
pub use traffic_policy::TrafficPolicy;
