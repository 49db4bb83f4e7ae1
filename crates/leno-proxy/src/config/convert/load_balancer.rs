//! How a cluster's endpoints are chosen: `lb_policy` and what belongs to it.

use leno_engine::balance::{
    HashFunction, HealthRules, LoadBalancer, MAX_TABLE_SIZE, RingSettings, TABLE_SIZE, is_prime,
};
use leno_proto::v3::cluster::{
    Cluster,
    cluster::{
        LbConfig, LbPolicy, LeastRequestLbConfig, MaglevLbConfig, RingHashLbConfig,
        ring_hash_lb_config::HashFunction as Function,
    },
};

use super::check::{Check, join};

pub(super) fn convert(check: &mut Check, proto: &mut Cluster) -> LoadBalancer {
    let number = std::mem::take(&mut proto.lb_policy);
    let config = proto.lb_config.take();
    match (LbPolicy::try_from(number), config) {
        (Ok(LbPolicy::RoundRobin), None) => LoadBalancer::RoundRobin,
        (Ok(LbPolicy::Random), None) => LoadBalancer::Random,
        (Ok(LbPolicy::ClusterProvided), None) => LoadBalancer::default(),
        (Ok(LbPolicy::LeastRequest), None) => LoadBalancer::default(),
        (Ok(LbPolicy::LeastRequest), Some(LbConfig::LeastRequestLbConfig(config))) => least_request(check, config),
        (Ok(LbPolicy::RingHash), None) => LoadBalancer::RingHash(RingSettings::default()),
        (Ok(LbPolicy::RingHash), Some(LbConfig::RingHashLbConfig(config))) => ring_hash(check, &config),
        (Ok(LbPolicy::Maglev), None) => LoadBalancer::Maglev(TABLE_SIZE),
        (Ok(LbPolicy::Maglev), Some(LbConfig::MaglevLbConfig(config))) => maglev(check, &config),
        (Ok(LbPolicy::LoadBalancingPolicyConfig) | Err(_), _) => {
            check.wrong("lb_policy", number.to_string(), "LEAST_REQUEST, ROUND_ROBIN, RANDOM, RING_HASH or MAGLEV");
            LoadBalancer::default()
        }
        (Ok(policy), Some(config)) => {
            check.wrong("lb_config", format!("{config:?}"), format!("what belongs to {}", policy.as_str_name()));
            LoadBalancer::default()
        }
    }
}

fn least_request(check: &mut Check, mut config: LeastRequestLbConfig) -> LoadBalancer {
    let choices = config.choice_count.take().map_or(2, |choices| choices.value);
    if choices < 2 {
        check.wrong("least_request_lb_config.choice_count", choices.to_string(), "at least 2");
    }
    check.rest("least_request_lb_config", &config);
    LoadBalancer::LeastRequest { choices }
}

fn ring_hash(check: &mut Check, config: &RingHashLbConfig) -> LoadBalancer {
    let path = "ring_hash_lb_config";
    let mut size = |field: &str, value: Option<u64>, default: u32| {
        let size = value.map_or(Some(default), |value| u32::try_from(value).ok());
        let size = size.filter(|size| *size <= RingSettings::MAX);
        if size.is_none() {
            check.wrong(&join(path, field), format!("{value:?}"), format!("at most {}", RingSettings::MAX));
        }
        size.unwrap_or(default)
    };
    let usual = RingSettings::default();
    let min_size = size("minimum_ring_size", config.minimum_ring_size.map(|size| size.value), usual.min_size);
    let max_size = size("maximum_ring_size", config.maximum_ring_size.map(|size| size.value), usual.max_size);
    if min_size > max_size {
        check.wrong(&join(path, "minimum_ring_size"), min_size.to_string(), "not more than maximum_ring_size");
    }
    let function = match Function::try_from(config.hash_function) {
        Ok(Function::XxHash) => HashFunction::Xx,
        Ok(Function::MurmurHash2) => HashFunction::Murmur2,
        Err(_) => {
            check.wrong(&join(path, "hash_function"), config.hash_function.to_string(), "XX_HASH or MURMUR_HASH_2");
            HashFunction::Xx
        }
    };
    LoadBalancer::RingHash(RingSettings { min_size, max_size, function })
}

fn maglev(check: &mut Check, config: &MaglevLbConfig) -> LoadBalancer {
    let value = config.table_size.map_or(TABLE_SIZE.into(), |size| size.value);
    let size = u32::try_from(value).ok().filter(|size| *size <= MAX_TABLE_SIZE && is_prime(*size));
    if size.is_none() {
        let expected = format!("a prime number, at most {MAX_TABLE_SIZE}");
        check.wrong("maglev_lb_config.table_size", value.to_string(), expected);
    }
    LoadBalancer::Maglev(size.unwrap_or(TABLE_SIZE))
}

/// When health does not count any more.
pub(super) fn panic_threshold(check: &mut Check, proto: &mut Cluster) -> u32 {
    let usual = HealthRules::default().panic_threshold;
    let Some(mut config) = proto.common_lb_config.take() else { return usual };
    let path = "common_lb_config";
    let threshold = config.healthy_panic_threshold.take().map_or(usual.into(), |percent| percent.value);
    if !(0.0..=100.0).contains(&threshold) {
        check.wrong(&join(path, "healthy_panic_threshold"), threshold.to_string(), "0 to 100");
    }
    // When changes of endpoints are merged is no matter of which are chosen.
    config.update_merge_window = None;
    check.rest(path, &config);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100; Envoy takes the whole part")]
    let threshold = threshold as u32;
    threshold
}
