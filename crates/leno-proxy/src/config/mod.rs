//! The configuration in use: immutable snapshots behind named [`Slot`]s, and the conversion from xDS.
//!
//! ```text
//! Slot<Listener> ─► Listener ─► FilterChain ─► HttpConnectionManager ─► Slot<Routes> ─► Slot<Cluster> ─► Slot<EndpointSet>
//!                                          └─► TcpProxy ──────────────────────────────►
//! ```
//!
//! A value holds strong handles on the slots that it refers to; what only the [`Registry`] of the control thread holds
//! is unsubscribed after a while.

pub mod breaker;
pub mod chain_match;
pub mod cluster;
pub mod convert;
pub mod dns;
pub mod drain;
pub mod endpoint;
pub mod guard;
pub mod health_check;
pub mod hosts;
pub mod http;
pub mod listener;
mod outlier;
pub mod registry;
pub mod secret;
pub mod slot;
pub mod source;
pub mod tcp;
pub mod tls;
pub mod transport;
pub mod upstream_http;
mod watch;

pub use breaker::{CircuitBreaker, Counted, RetryLimit, Thresholds};
pub use chain_match::{ChainMatch, Met, ServerName, SourceType, TransportProtocol};
pub use cluster::{Caller, Cluster, ClusterKind, HttpProtocol, OriginalDst};
pub use drain::{Drain, DrainRules, DrainStrategy};
pub use endpoint::{Endpoint, EndpointSet, HealthEndpoint, ListedHealth, SetRules, Standing, WorkloadLabels};
pub use guard::{ConnectionLimit, Guard, Permit, ServiceLimit};
pub use health_check::{HealthChecker, Question};
pub use hosts::{Balancers, Choice, Preferred, Tried, Wanted};
pub use http::{
    CertificateHeader, Codec, Forwarding, HttpConnectionManager, HttpLimits, RouteSource, Routes, SchemeRule,
    ServerHeader, ToldCertificate, Underscores,
};
pub use listener::{DownstreamTls, FilterChain, Fingerprint, Inspect, Introduction, Life, Listener, MeshTls, Terminal};
pub use outlier::OutlierDetector;
pub use registry::{Key, Registry, Wish};
pub use secret::Secret;
pub use slot::{Slot, SlotState};
pub use tcp::{Longest, TcpProxy, WeightedCluster};
pub use transport::{
    DialSocket, Keepalive, NamedServer, Passed, ProxyHeader, Security, Transport, TransportMatch, UpstreamTls,
};
pub use upstream_http::{Http2Keepalive, Http2Options, UpstreamHttp};
