//! How a cluster's endpoints are chosen: `lb_policy` and what belongs to it, or `load_balancing_policy`, of the same
//! meaning.

mod hashing;
mod locality;
mod policy;
mod slow_start;
mod subset;

use leno_engine::balance::{Balancing, HealthRules, LoadBalancer, LocalityRules, SubsetRules};
use leno_proto::v3::{
    cluster::{
        Cluster,
        cluster::{CommonLbConfig, LbConfig, LbPolicy, common_lb_config::LocalityConfigSpecifier},
    },
    lb_common::{ConsistentHashingLbConfig, LocalityLbConfig, locality_lb_config},
    lb_least_request::LeastRequest,
    lb_maglev::Maglev,
    lb_ring_hash::RingHash,
    lb_round_robin::RoundRobin,
    lb_subset::Subset,
};
use prost::Message;

use super::check::{Check, join};

/// What a policy and its configuration say.
#[derive(Debug, Default)]
struct Made {
    policy: LoadBalancer,
    localities: LocalityRules,
    subsets: Option<SubsetRules>,
}

/// How endpoints are chosen, and whether new ones do not count until they were asked whether they are well.
pub(super) fn convert(check: &mut Check, proto: &mut Cluster) -> (Balancing, bool) {
    let mut common = proto.common_lb_config.take().unwrap_or_default();
    let path = "common_lb_config";
    let panic_threshold = panic_threshold(check, path, &mut common);
    let ignores_new = std::mem::take(&mut common.ignore_new_hosts_until_first_hc);
    // When changes of endpoints are merged is no matter of which are chosen.
    common.update_merge_window = None;
    let extensible = proto.load_balancing_policy.take();
    let mut made = match extensible {
        Some(policies) => {
            // As Envoy: either this or the older fields, whose left-overs are refused below.
            let old = LbPolicy::try_from(proto.lb_policy);
            if matches!(old, Ok(LbPolicy::LoadBalancingPolicyConfig)) {
                proto.lb_policy = 0;
            }
            policy::convert(check, "load_balancing_policy", policies)
        }
        None => old(check, proto, &mut common),
    };
    check.rest(path, &common);
    if made.policy.is_by_hash() && matches!(made.localities, LocalityRules::Nearest(_)) {
        // As Envoy, whose hash balancers know no nearness.
        made.localities = LocalityRules::Ignore;
    }
    let Made { policy, localities, subsets } = made;
    (Balancing { policy, localities, panic_threshold, subsets }, ignores_new)
}

/// What the older fields say: the configuration of the newer ones, under other names.
fn old(check: &mut Check, proto: &mut Cluster, common: &mut CommonLbConfig) -> Made {
    let number = std::mem::take(&mut proto.lb_policy);
    let localities = common.locality_config_specifier.take().map(|it| match it {
        LocalityConfigSpecifier::ZoneAwareLbConfig(config) => {
            locality_lb_config::LocalityConfigSpecifier::ZoneAwareLbConfig(renamed(&config))
        }
        LocalityConfigSpecifier::LocalityWeightedLbConfig(_) => {
            locality_lb_config::LocalityConfigSpecifier::LocalityWeightedLbConfig(Default::default())
        }
    });
    let localities = localities.map(|it| LocalityLbConfig { locality_config_specifier: Some(it) });
    let path = "common_lb_config.consistent_hashing_lb_config";
    let hashing = common.consistent_hashing_lb_config.take().map(|it| renamed::<ConsistentHashingLbConfig>(&it));
    let hashing = hashing::convert(check, path, hashing);
    let policy = match (LbPolicy::try_from(number), proto.lb_config.take()) {
        (Ok(LbPolicy::RoundRobin), None) => LoadBalancer::RoundRobin { slow_start: None },
        (Ok(LbPolicy::RoundRobin), Some(LbConfig::RoundRobinLbConfig(config))) => {
            policy::round_robin(check, "round_robin_lb_config", renamed::<RoundRobin>(&config))
        }
        (Ok(LbPolicy::Random), None) => LoadBalancer::Random,
        (Ok(LbPolicy::ClusterProvided | LbPolicy::LeastRequest), None) => LoadBalancer::default(),
        (Ok(LbPolicy::LeastRequest), Some(LbConfig::LeastRequestLbConfig(config))) => {
            policy::least_request(check, "least_request_lb_config", renamed::<LeastRequest>(&config))
        }
        (Ok(LbPolicy::RingHash), None) => LoadBalancer::RingHash(Default::default(), hashing),
        (Ok(LbPolicy::RingHash), Some(LbConfig::RingHashLbConfig(config))) => {
            let config = RingHash {
                minimum_ring_size: config.minimum_ring_size,
                maximum_ring_size: config.maximum_ring_size,
                // The newer one has a value for nothing at all before those of the older.
                hash_function: config.hash_function.saturating_add(1),
                ..RingHash::default()
            };
            hashing::ring(check, "ring_hash_lb_config", config, hashing)
        }
        (Ok(LbPolicy::Maglev), config @ (None | Some(LbConfig::MaglevLbConfig(_)))) => {
            let config = match config {
                Some(LbConfig::MaglevLbConfig(config)) => renamed::<Maglev>(&config),
                _ => Maglev::default(),
            };
            hashing::maglev(check, "maglev_lb_config", config, hashing)
        }
        (Ok(LbPolicy::LoadBalancingPolicyConfig) | Err(_), _) => {
            let expected = "LEAST_REQUEST, ROUND_ROBIN, RANDOM, RING_HASH or MAGLEV, or a load_balancing_policy";
            check.wrong("lb_policy", number.to_string(), expected);
            LoadBalancer::default()
        }
        // Refused by its name, as all that is left.
        (Ok(_), config @ Some(LbConfig::OriginalDstLbConfig(_))) => {
            proto.lb_config = config;
            LoadBalancer::default()
        }
        (Ok(policy), Some(config)) => {
            check.wrong("lb_config", format!("{config:?}"), format!("what belongs to {}", policy.as_str_name()));
            LoadBalancer::default()
        }
    };
    let subsets = proto.lb_subset_config.take().map(|it| renamed::<Subset>(&it));
    let subsets = subsets.and_then(|it| subset::convert(check, "lb_subset_config", it));
    Made { policy, localities: locality::convert(check, "common_lb_config", localities), subsets }
}

/// The same message under another name: of the same fields with the same numbers.
fn renamed<M: Message + Default>(message: &impl Message) -> M {
    M::decode(message.encode_to_vec().as_slice()).unwrap_or_default()
}

/// When health does not count any more.
fn panic_threshold(check: &mut Check, path: &str, config: &mut CommonLbConfig) -> u32 {
    let usual = HealthRules::default().panic_threshold;
    let threshold = config.healthy_panic_threshold.take().map_or(usual.into(), |percent| percent.value);
    if !(0.0..=100.0).contains(&threshold) {
        check.wrong(&join(path, "healthy_panic_threshold"), threshold.to_string(), "0 to 100");
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100; Envoy takes the whole part")]
    let threshold = threshold as u32;
    threshold
}
