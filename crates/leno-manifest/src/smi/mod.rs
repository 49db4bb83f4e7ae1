//! The Service Mesh Interface ([SMI]): who may call whom, what a request is, how traffic is shared out.
//!
//! Older versions are read as well; `upgrade` turns their text into the shape of the newest, which is the only one
//! that these types know.
//!
//! [SMI]: https://github.com/servicemeshinterface/smi-spec

pub mod http_route_group;
pub mod tcp_route;
pub mod traffic_split;
pub mod traffic_target;
pub mod udp_route;
pub(crate) mod upgrade;

pub use http_route_group::HttpRouteGroup;
pub use tcp_route::TcpRoute;
pub use traffic_split::TrafficSplit;
pub use traffic_target::TrafficTarget;
pub use udp_route::UdpRoute;
