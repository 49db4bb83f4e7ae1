//! The [Gateway API], as far as a mesh has a use for it: routes whose parents are Services (GAMMA), who may refer to
//! objects of other namespaces, and TLS towards backends.
//!
//! The types follow the experimental channel of v1.5.1. They are our own and not those of the `gateway-api` crate: those
//! need Kubernetes' client library, and reading into them stops at the first error without a place. The definitions
//! (CRDs) are upstream's and are not shipped here; `tests/upstream.rs` holds these types against them.
//!
//! [Gateway API]: https://gateway-api.sigs.k8s.io/reference/spec/

pub mod backend_tls_policy;
pub mod filter;
pub mod grpc_route;
pub mod http_route;
pub mod reference;
pub mod reference_grant;
pub mod session;
pub mod status;
pub mod tcp_route;
pub mod tls_route;

pub use backend_tls_policy::BackendTlsPolicy;
pub use grpc_route::GrpcRoute;
pub use http_route::HttpRoute;
pub use reference::{BackendReference, BackendShare, ParentReference};
pub use reference_grant::ReferenceGrant;
pub use status::RouteStatus;
pub use tcp_route::TcpRoute;
pub use tls_route::TlsRoute;

/// The API group of these kinds.
pub const GROUP: &str = "gateway.networking.k8s.io";
