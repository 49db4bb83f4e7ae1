//! How endpoints are chosen ([`lb_policy`]).
//!
//! [`lb_policy`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/cluster/v3/cluster.proto#envoy-v3-api-enum-config-cluster-v3-cluster-lbpolicy

use std::time::Duration;

use leno_model::policy::traffic::{Algorithm, LoadBalancer, SlowStart};
use leno_proto::{
    any,
    google::protobuf::UInt64Value,
    peak_ewma::PeakEwma,
    v3::{
        cluster::{
            Cluster, LoadBalancingPolicy,
            cluster::{
                CommonLbConfig, LbConfig, LbPolicy, LeastRequestLbConfig, MaglevLbConfig, RingHashLbConfig,
                RoundRobinLbConfig, SlowStartConfig,
            },
            load_balancing_policy::Policy,
        },
        core::TypedExtensionConfig,
        r#type::Percent,
    },
};

use crate::{
    Client,
    message::{duration, uint32},
};

/// The fewest entries of a ring, when none are said: Envoy's.
const RING: u64 = 1024;

pub(super) fn apply(cluster: &mut Cluster, balancer: &LoadBalancer, client: Client) {
    let (policy, config) = match (client, &balancer.algorithm) {
        (Client::Leno, Algorithm::PeakEwma { decay }) => {
            cluster.load_balancing_policy = Some(peak_ewma(*decay));
            // Beside it `lb_policy` says nothing, so it is left out.
            (LbPolicy::default(), None)
        }
        (Client::Leno | Client::Envoy, _) => chosen(balancer),
        (Client::Grpc, algorithm) => grpc(algorithm),
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

fn chosen(balancer: &LoadBalancer) -> (LbPolicy, Option<LbConfig>) {
    let slow_start_config = balancer.slow_start.map(slow_start);
    match &balancer.algorithm {
        Algorithm::RoundRobin => {
            let config = |config| LbConfig::RoundRobinLbConfig(RoundRobinLbConfig { slow_start_config: Some(config) });
            (LbPolicy::RoundRobin, slow_start_config.map(config))
        }
        Algorithm::Random => (LbPolicy::Random, None),
        // Envoy has it as an extension that most builds are without; what is nearest to it is used there.
        Algorithm::PeakEwma { .. } => (LbPolicy::LeastRequest, None),
        Algorithm::LeastRequest { choices } => {
            let config =
                LeastRequestLbConfig { choice_count: Some(uint32(*choices)), slow_start_config, ..Default::default() };
            (LbPolicy::LeastRequest, Some(LbConfig::LeastRequestLbConfig(config)))
        }
        Algorithm::RingHash { minimum_size, maximum_size, .. } => ring(*minimum_size, *maximum_size),
        Algorithm::Maglev { table_size, .. } => {
            let table_size = table_size.map(|size| UInt64Value { value: size.into() });
            (LbPolicy::Maglev, Some(LbConfig::MaglevLbConfig(MaglevLbConfig { table_size })))
        }
    }
}

fn slow_start(slow: SlowStart) -> SlowStartConfig {
    SlowStartConfig {
        slow_start_window: Some(duration(slow.window)),
        min_weight_percent: Some(Percent { value: slow.minimum_percent.into() }),
        ..Default::default()
    }
}

fn peak_ewma(decay: Option<Duration>) -> LoadBalancingPolicy {
    let config = PeakEwma { decay_time: decay.map(duration), ..Default::default() };
    let policy = TypedExtensionConfig {
        name: "envoy.load_balancing_policies.peak_ewma".into(),
        typed_config: Some(any::pack(&config)),
    };
    LoadBalancingPolicy { policies: vec![Policy { typed_extension_config: Some(policy) }] }
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
        Algorithm::RoundRobin | Algorithm::Random | Algorithm::LeastRequest { .. } | Algorithm::PeakEwma { .. } => {
            (LbPolicy::RoundRobin, None)
        }
        Algorithm::RingHash { minimum_size, maximum_size, .. } => ring(*minimum_size, *maximum_size),
        Algorithm::Maglev { .. } => ring(None, None),
    }
}
