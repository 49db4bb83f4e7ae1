//! The extensible `load_balancing_policy`: the first of its policies that is known here counts.

use leno_engine::balance::{Compared, LoadBalancer, LocalityRules, PeakEwma};
use leno_proto::{
    any,
    google::protobuf::Any,
    peak_ewma::PeakEwma as PeakEwmaProto,
    v3::{
        cluster::LoadBalancingPolicy,
        lb_cluster_provided::ClusterProvided,
        lb_least_request::{LeastRequest, least_request::SelectionMethod},
        lb_maglev::Maglev,
        lb_random::Random,
        lb_ring_hash::RingHash,
        lb_round_robin::RoundRobin,
        lb_subset::Subset,
        lb_wrr_locality::WrrLocality,
    },
};

use super::{
    super::check::{Check, at, join},
    Made, hashing, locality, slow_start, subset,
};

/// How deep policies may stand in each other: a subset's, by place, of endpoints.
const DEPTH: usize = 3;

pub(super) fn convert(check: &mut Check, path: &str, policies: LoadBalancingPolicy) -> Made {
    inner(check, path, policies, DEPTH)
}

fn inner(check: &mut Check, path: &str, policies: LoadBalancingPolicy, depth: usize) -> Made {
    let mut unknown = Vec::new();
    for (index, policy) in policies.policies.into_iter().enumerate() {
        let path = join(&at(path, "policies", index), "typed_extension_config.typed_config");
        let config = policy.typed_extension_config.and_then(|config| config.typed_config).unwrap_or_default();
        if let Some(made) = one(check, &path, &config, depth) {
            return made;
        }
        unknown.push(config.type_url);
    }
    let known =
        "round_robin, least_request, random, ring_hash, maglev, peak_ewma, subset, wrr_locality or cluster_provided";
    check.wrong(&join(path, "policies"), format!("{unknown:?}"), known);
    Made::default()
}

/// A policy; `None` when it is not known.
fn one(check: &mut Check, path: &str, config: &Any, depth: usize) -> Option<Made> {
    let name = config.type_url.rsplit('/').next()?.strip_prefix("envoy.extensions.load_balancing_policies.")?;
    let made = |policy: LoadBalancer, localities: LocalityRules| Made { policy, localities, subsets: None };
    let place = |check: &mut Check, config| locality::convert(check, &join(path, "locality_lb_config"), config);
    Some(match name {
        "round_robin.v3.RoundRobin" => {
            let mut config = check.unpack::<RoundRobin>(path, config).unwrap_or_default();
            let localities = place(check, config.locality_lb_config.take());
            made(round_robin(check, path, config), localities)
        }
        "least_request.v3.LeastRequest" => {
            let mut config = check.unpack::<LeastRequest>(path, config).unwrap_or_default();
            let localities = place(check, config.locality_lb_config.take());
            made(least_request(check, path, config), localities)
        }
        "random.v3.Random" => {
            let mut config = check.unpack::<Random>(path, config).unwrap_or_default();
            let localities = place(check, config.locality_lb_config.take());
            check.rest(path, &config);
            made(LoadBalancer::Random, localities)
        }
        "peak_ewma.v3.PeakEwma" => {
            let config = check.unpack::<PeakEwmaProto>(path, config).unwrap_or_default();
            made(peak_ewma(check, path, config), LocalityRules::Ignore)
        }
        "cluster_provided.v3.ClusterProvided" => {
            check.unpack::<ClusterProvided>(path, config);
            Made::default()
        }
        _ => return by_hash(check, path, name, config).or_else(|| around(check, path, config, depth)),
    })
}

/// One that goes by hashes.
fn by_hash(check: &mut Check, path: &str, name: &str, config: &Any) -> Option<Made> {
    let hash = |check: &mut Check, config| hashing::convert(check, &join(path, "consistent_hashing_lb_config"), config);
    let (policy, localities) = match name {
        "ring_hash.v3.RingHash" => {
            let mut config = check.unpack::<RingHash>(path, config).unwrap_or_default();
            let hashing = hash(check, config.consistent_hashing_lb_config.take());
            let localities = weighted(config.locality_weighted_lb_config.take().is_some());
            (hashing::ring(check, path, config, hashing), localities)
        }
        "maglev.v3.Maglev" => {
            let mut config = check.unpack::<Maglev>(path, config).unwrap_or_default();
            let hashing = hash(check, config.consistent_hashing_lb_config.take());
            let localities = weighted(config.locality_weighted_lb_config.take().is_some());
            (hashing::maglev(check, path, config, hashing), localities)
        }
        _ => return None,
    };
    Some(Made { policy, localities, subsets: None })
}

/// One around another one.
fn around(check: &mut Check, path: &str, config: &Any, depth: usize) -> Option<Made> {
    let depth = depth.checked_sub(1)?;
    if any::is::<Subset>(config) {
        let mut config = check.unpack::<Subset>(path, config).unwrap_or_default();
        let child = config.subset_lb_policy.take().unwrap_or_default();
        let made = inner(check, &join(path, "subset_lb_policy"), child, depth);
        return Some(Made { subsets: subset::convert(check, path, config), ..made });
    }
    if any::is::<WrrLocality>(config) {
        let mut config = check.unpack::<WrrLocality>(path, config).unwrap_or_default();
        let child = config.endpoint_picking_policy.take().unwrap_or_default();
        check.rest(path, &config);
        let made = inner(check, &join(path, "endpoint_picking_policy"), child, depth);
        return Some(Made { localities: LocalityRules::Weighted, ..made });
    }
    None
}

fn weighted(weighted: bool) -> LocalityRules {
    if weighted { LocalityRules::Weighted } else { LocalityRules::Ignore }
}

pub(super) fn round_robin(check: &mut Check, path: &str, mut config: RoundRobin) -> LoadBalancer {
    let slow_start = slow_start::convert(check, &join(path, "slow_start_config"), config.slow_start_config.take());
    check.rest(path, &config);
    LoadBalancer::RoundRobin { slow_start }
}

pub(super) fn least_request(check: &mut Check, path: &str, mut config: LeastRequest) -> LoadBalancer {
    let choices = config.choice_count.take().map_or(2, |choices| choices.value);
    if choices < 2 {
        check.wrong(&join(path, "choice_count"), choices.to_string(), "at least 2");
    }
    let bias = slow_start::double(config.active_request_bias.take(), 1.0);
    if !(bias >= 0.0 && bias.is_finite()) {
        check.wrong(&join(path, "active_request_bias.default_value"), bias.to_string(), "at least 0");
    }
    let slow_start = slow_start::convert(check, &join(path, "slow_start_config"), config.slow_start_config.take());
    let method = std::mem::take(&mut config.selection_method);
    let compared = match SelectionMethod::try_from(method) {
        Ok(SelectionMethod::NChoices) => Compared::Some(choices),
        Ok(SelectionMethod::FullScan) => Compared::All,
        Err(_) => {
            check.wrong(&join(path, "selection_method"), method.to_string(), "N_CHOICES or FULL_SCAN");
            Compared::Some(choices)
        }
    };
    check.rest(path, &config);
    LoadBalancer::LeastRequest { compared, bias, slow_start }
}

fn peak_ewma(check: &mut Check, path: &str, mut config: PeakEwmaProto) -> LoadBalancer {
    let usual = PeakEwma::default();
    let mut time = |field: &str, value, default| {
        let time = check.duration_or(&join(path, field), value, default);
        if time.is_zero() {
            check.wrong(&join(path, field), "0s", "above 0");
        }
        time
    };
    let decay = time("decay_time", config.decay_time.take(), usual.decay);
    let unknown = time("default_rtt", config.default_rtt.take(), usual.unknown);
    let penalty = config.penalty_value.take().map_or(usual.penalty, |value| value.value);
    if !(penalty > 0.0 && penalty.is_finite()) {
        check.wrong(&join(path, "penalty_value"), penalty.to_string(), "above 0");
    }
    // What remains is of buffers that Leno has none of.
    check.rest(path, &config);
    LoadBalancer::PeakEwma(PeakEwma { decay, unknown, penalty })
}
