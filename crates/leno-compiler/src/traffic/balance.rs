//! How endpoints are chosen ([`lb_policy`]).
//!
//! [`lb_policy`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/cluster/v3/cluster.proto#envoy-v3-api-enum-config-cluster-v3-cluster-lbpolicy

use leno_model::policy::traffic::{Algorithm, LoadBalancer};
use leno_proto::{
    google::protobuf::UInt64Value,
    v3::{
        cluster::{
            Cluster,
            cluster::{CommonLbConfig, LbConfig, LbPolicy, LeastRequestLbConfig, MaglevLbConfig, RingHashLbConfig},
        },
        r#type::Percent,
    },
};

use crate::{Client, message::uint32};

/// The fewest entries of a ring, when none are said: Envoy's.
const RING: u64 = 1024;

pub(super) fn apply(cluster: &mut Cluster, balancer: &LoadBalancer, client: Client) {
    let (policy, config) = match client {
        Client::Leno | Client::Envoy => chosen(&balancer.algorithm),
        Client::Grpc => grpc(&balancer.algorithm),
    };
    cluster.lb_policy = policy.into();
    cluster.lb_config = config;
    if let Some(percent) = balancer.panic_threshold {
        cluster.common_lb_config = Some(CommonLbConfig {
            healthy_panic_threshold: Some(Percent { value: percent.into() }),
            ..Default::default()
        });
    }
}

fn chosen(algorithm: &Algorithm) -> (LbPolicy, Option<LbConfig>) {
    match algorithm {
        Algorithm::RoundRobin => (LbPolicy::RoundRobin, None),
        Algorithm::Random => (LbPolicy::Random, None),
        Algorithm::LeastRequest { choices } => {
            let config = LeastRequestLbConfig { choice_count: Some(uint32(*choices)), ..Default::default() };
            (LbPolicy::LeastRequest, Some(LbConfig::LeastRequestLbConfig(config)))
        }
        Algorithm::RingHash { minimum_size, maximum_size, .. } => ring(*minimum_size, *maximum_size),
        Algorithm::Maglev { table_size, .. } => {
            let table_size = table_size.map(|size| UInt64Value { value: size.into() });
            (LbPolicy::Maglev, Some(LbConfig::MaglevLbConfig(MaglevLbConfig { table_size })))
        }
    }
}

fn ring(minimum: Option<u32>, maximum: Option<u32>) -> (LbPolicy, Option<LbConfig>) {
    let size = |size: u64| Some(UInt64Value { value: size });
    let config = RingHashLbConfig {
        minimum_ring_size: size(minimum.map_or(RING, u64::from)),
        maximum_ring_size: maximum.and_then(|it| size(it.into())),
        ..Default::default()
    };
    (LbPolicy::RingHash, Some(LbConfig::RingHashLbConfig(config)))
}

/// gRPC libraries have turns and rings.
fn grpc(algorithm: &Algorithm) -> (LbPolicy, Option<LbConfig>) {
    match algorithm {
        Algorithm::RoundRobin | Algorithm::Random | Algorithm::LeastRequest { .. } => (LbPolicy::RoundRobin, None),
        Algorithm::RingHash { minimum_size, maximum_size, .. } => ring(*minimum_size, *maximum_size),
        Algorithm::Maglev { .. } => ring(None, None),
    }
}
