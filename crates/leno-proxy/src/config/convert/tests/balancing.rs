//! What decides on endpoints: the older fields and the newer ones, what they become and what is refused.

use std::time::Duration;

use leno_engine::balance::{
    Balancing, Compared, Fallback, HashKey, Hashing, LoadBalancer, LocalityRules, PeakEwma, SelectorFallback,
    SlowStart, ZoneRules,
};
use leno_proto::{
    json,
    v3::{cluster::Cluster, endpoint::ClusterLoadAssignment, route::RouteConfiguration},
};
use serde_json::{Value, json};

use super::{
    super::{super::Registry, cluster, endpoints, routes},
    refused,
};

fn message(fields: &Value) -> Cluster {
    let mut whole = json!({ "name": "c", "type": "EDS", "eds_cluster_config": { "eds_config": { "ads": {} } } });
    whole.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    json::read(&whole).unwrap()
}

fn made(fields: &Value) -> Balancing {
    cluster(&message(fields), &mut Registry::default()).unwrap().balancing
}

#[track_caller]
fn refused_fields(fields: &Value, field: &str, value: &str) {
    refused(cluster(&message(fields), &mut Registry::default()).map(drop), field, value);
}

fn policy(name: &str, mut config: Value) -> Value {
    config["@type"] = json!(format!("type.googleapis.com/envoy.extensions.load_balancing_policies.{name}"));
    json!({ "policies": [{ "typed_extension_config": { "name": "x", "typed_config": config } }] })
}

fn extensible(name: &str, config: Value) -> Value {
    json!({ "lb_policy": "LOAD_BALANCING_POLICY_CONFIG", "load_balancing_policy": policy(name, config) })
}

#[test]
fn both_forms_mean_the_same() {
    let slow = json!({ "slow_start_window": "9s", "min_weight_percent": { "value": 20 } });
    let locality = json!({ "locality_weighted_lb_config": {} });
    let zone = json!({ "zone_aware_lb_config": { "min_cluster_size": 2, "routing_enabled": { "value": 50 } } });
    let hashing = json!({ "hash_balance_factor": 120, "use_hostname_for_hashing": true });
    let pairs = [
        (
            json!({ "round_robin_lb_config": { "slow_start_config": slow }, "common_lb_config": locality }),
            extensible(
                "round_robin.v3.RoundRobin",
                json!({ "slow_start_config": slow, "locality_lb_config": locality }),
            ),
        ),
        (
            json!({ "lb_policy": "LEAST_REQUEST", "common_lb_config": zone,
                    "least_request_lb_config": { "choice_count": 3, "active_request_bias": { "default_value": 2, "runtime_key": "k" } } }),
            extensible(
                "least_request.v3.LeastRequest",
                json!({ "choice_count": 3, "locality_lb_config": zone,
                "active_request_bias": { "default_value": 2, "runtime_key": "k" } }),
            ),
        ),
        (
            json!({ "lb_policy": "RANDOM", "common_lb_config": locality }),
            extensible("random.v3.Random", json!({ "locality_lb_config": locality })),
        ),
        (
            json!({ "lb_policy": "MAGLEV", "maglev_lb_config": { "table_size": 7 },
                    "common_lb_config": { "locality_weighted_lb_config": {}, "consistent_hashing_lb_config": hashing } }),
            extensible(
                "maglev.v3.Maglev",
                json!({ "table_size": 7, "locality_weighted_lb_config": {}, "consistent_hashing_lb_config": hashing }),
            ),
        ),
        (
            json!({ "lb_policy": "RING_HASH", "ring_hash_lb_config": { "minimum_ring_size": 9, "hash_function": "MURMUR_HASH_2" } }),
            extensible("ring_hash.v3.RingHash", json!({ "minimum_ring_size": 9, "hash_function": "MURMUR_HASH_2" })),
        ),
    ];
    for (old, new) in pairs {
        assert_eq!(made(&old), made(&new), "{new}");
    }
    let slow_start = Some(SlowStart { window: Duration::from_secs(9), aggression: 1.0, least: 0.2 });
    let of = made(&json!({ "round_robin_lb_config": { "slow_start_config": slow }, "common_lb_config": zone }));
    assert_eq!(of.policy, LoadBalancer::RoundRobin { slow_start });
    let rules = ZoneRules { min_cluster_size: 2, enabled: 0.5, ..ZoneRules::default() };
    assert_eq!(of.localities, LocalityRules::Nearest(rules));
    let of = made(&json!({ "lb_policy": "MAGLEV", "common_lb_config": { "consistent_hashing_lb_config": hashing } }));
    assert_eq!(of.policy, LoadBalancer::Maglev(65_537, Hashing { key: HashKey::Hostname, bound: Some(120) }));
}

#[test]
fn the_first_policy_that_is_known_counts() {
    let mut unknown = policy("client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin", json!({}));
    unknown["policies"][0]["typed_extension_config"]["typed_config"] =
        json!({ "@type": "type.googleapis.com/google.protobuf.Duration", "value": "1s" });
    refused_fields(&json!({ "load_balancing_policy": unknown }), "load_balancing_policy.policies", "Duration");
    let known = policy("least_request.v3.LeastRequest", json!({ "selection_method": "FULL_SCAN" }));
    let both = json!({ "policies": [unknown["policies"][0], known["policies"][0]] });
    let full = LoadBalancer::LeastRequest { compared: Compared::All, bias: 1.0, slow_start: None };
    assert_eq!(made(&json!({ "load_balancing_policy": both })).policy, full);
    let settings = PeakEwma { decay: Duration::from_secs(5), ..PeakEwma::default() };
    let latency = extensible("peak_ewma.v3.PeakEwma", json!({ "decay_time": "5s" }));
    assert_eq!(made(&latency).policy, LoadBalancer::PeakEwma(settings));
    let child = policy("round_robin.v3.RoundRobin", json!({}));
    let places = made(&extensible("wrr_locality.v3.WrrLocality", json!({ "endpoint_picking_policy": child })));
    assert_eq!(places.localities, LocalityRules::Weighted);
}

#[test]
fn subsets_of_both_forms() {
    let rules = json!({
        "fallback_policy": "DEFAULT_SUBSET", "default_subset": { "stage": "prod" }, "panic_mode_any": true,
        "subset_selectors": [
            { "keys": ["b", "a"], "fallback_policy": "KEYS_SUBSET", "fallback_keys_subset": ["a"] },
            { "keys": ["a"], "single_host_per_subset": true },
        ],
    });
    let old = made(&json!({ "lb_subset_config": rules }));
    let subsets = old.subsets.clone().unwrap();
    assert_eq!((subsets.fallback, subsets.panic_any, subsets.default.len()), (Fallback::Default, true, 1));
    assert_eq!(*subsets.selectors[0].keys, ["a".into(), "b".into()]);
    assert_eq!(subsets.selectors[0].fallback, SelectorFallback::Keys(["a".into()].into()));
    assert!(subsets.selectors[1].single);
    let mut new = rules.clone();
    new["subset_lb_policy"] = policy("round_robin.v3.RoundRobin", json!({}));
    assert_eq!(made(&extensible("subset.v3.Subset", new)).subsets, old.subsets);
    assert_eq!(made(&json!({ "lb_subset_config": { "fallback_policy": "ANY_ENDPOINT" } })).subsets, None);
    let selector = |selector: Value| json!({ "lb_subset_config": { "subset_selectors": [selector] } });
    let path = "lb_subset_config.subset_selectors[0]";
    refused_fields(&selector(json!({ "keys": [] })), &format!("{path}.keys"), "empty");
    let all = json!({ "keys": ["a"], "fallback_policy": "KEYS_SUBSET", "fallback_keys_subset": ["a"] });
    refused_fields(&selector(all), &format!("{path}.fallback_keys_subset"), "a");
    let two = json!({ "keys": ["a", "b"], "single_host_per_subset": true });
    refused_fields(&selector(two), &format!("{path}.single_host_per_subset"), "true");
}

#[test]
fn what_is_not_done_is_refused() {
    for (common, field, value) in [
        (json!({ "close_connections_on_host_set_change": true }), "close_connections_on_host_set_change", "true"),
        (json!({ "override_host_status": { "statuses": ["HEALTHY"] } }), "override_host_status", "HEALTHY"),
        (
            json!({ "consistent_hashing_lb_config": { "hash_balance_factor": 99 } }),
            "consistent_hashing_lb_config.hash_balance_factor",
            "99",
        ),
        (
            json!({ "zone_aware_lb_config": { "routing_enabled": { "value": 101 } } }),
            "zone_aware_lb_config.routing_enabled",
            "101",
        ),
    ] {
        refused_fields(&json!({ "common_lb_config": common }), &format!("common_lb_config.{field}"), value);
    }
    let both = json!({ "load_balancing_policy": policy("random.v3.Random", json!({})), "common_lb_config": { "locality_weighted_lb_config": {} } });
    refused_fields(&both, "common_lb_config.locality_weighted_lb_config", "{}");
    let aggression = json!({ "slow_start_window": "1s", "aggression": { "default_value": -1, "runtime_key": "k" } });
    let field = "round_robin_lb_config.slow_start_config.aggression.default_value";
    refused_fields(&json!({ "round_robin_lb_config": { "slow_start_config": aggression } }), field, "-1");
    let buffers = extensible("peak_ewma.v3.PeakEwma", json!({ "aggregation_interval": "1s" }));
    let path = "load_balancing_policy.policies[0].typed_extension_config.typed_config";
    refused_fields(&buffers, &format!("{path}.aggregation_interval"), "1s");
}

#[test]
fn standing_and_metadata_of_endpoints() {
    let assignment = json!({
        "cluster_name": "c",
        "policy": { "weighted_priority_health": true, "drop_overloads": [{ "category": "x", "drop_percentage": { "numerator": 5 } }] },
        "endpoints": [{ "lb_endpoints": [{
            "endpoint": { "hostname": "h", "address": { "socket_address": { "address": "10.0.0.1", "port_value": 1 } } },
            "metadata": { "filter_metadata": { "envoy.lb": { "canary": true, "list": [1, "x"] } } },
        }] }],
    });
    let set = endpoints(&json::read::<ClusterLoadAssignment>(&assignment).unwrap(), None).unwrap();
    let endpoint = &set.endpoints[0];
    assert!(
        set.rules.weighted_health
            && endpoint.is_canary()
            && set.rules.dropped.is_some_and(|share| share.numerator == 5)
    );
    assert_eq!((&*endpoint.standing.hostname, endpoint.standing.labels.len()), ("h", 2));
    let mut two = assignment.clone();
    let drop = assignment["policy"]["drop_overloads"][0].clone();
    two["policy"]["drop_overloads"] = json!([drop, drop]);
    let two = json::read::<ClusterLoadAssignment>(&two).unwrap();
    refused(endpoints(&two, None).map(drop_it), "policy.drop_overloads", "2");
}

fn drop_it<T>(_: T) {}

#[test]
fn what_routes_want_of_endpoints() {
    let lb = |labels: Value| json!({ "filter_metadata": { "envoy.lb": labels } });
    let of = |matching: Value| {
        let route = json!({ "match": { "prefix": "/" }, "route": { "cluster": "c", "metadata_match": matching } });
        let table = json!({ "name": "r", "virtual_hosts": [{ "name": "v", "domains": ["*"], "routes": [route] }] });
        routes(&json::read::<RouteConfiguration>(&table).unwrap(), &mut Registry::default())
    };
    assert!(of(lb(json!({ "version": "1" }))).is_ok());
    let other = json!({ "filter_metadata": { "other": { "a": "b" } } });
    refused(of(other).map(drop_it), "virtual_hosts[0].routes[0].route.metadata_match.filter_metadata", "other");
}
