//! What routes say: timeouts, retries, what is hashed.

use leno_model::{
    Snapshot,
    policy::{
        TrafficSettings,
        traffic::{Algorithm, HashBy, HashOn, Retries, Share},
    },
    resource_name,
};
use leno_proto::{
    any,
    v3::{
        core::RuntimeFractionalPercent,
        previous_hosts::PreviousHostsPredicate,
        route::{
            RetryPolicy, RouteAction,
            retry_policy::{RetryBackOff, RetryHostPredicate, retry_host_predicate::ConfigType},
            route_action::{
                ClusterSpecifier, HashPolicy, RequestMirrorPolicy,
                hash_policy::{ConnectionProperties, Cookie, Header, PolicySpecifier, QueryParameter},
            },
        },
    },
};

use super::fault;
use crate::{
    Scope,
    message::{duration, uint32},
};

/// Envoy draws again as often as this for an endpoint that was not tried yet; Leno leaves those out at once.
const DRAWS: i64 = 5;

/// Makes a route do what is said of the traffic to the service that it is of.
pub(crate) fn apply(snapshot: &Snapshot, scope: &Scope, action: &mut RouteAction, settings: &TrafficSettings) {
    bound(action, settings);
    action.request_mirror_policies.extend(settings.mirror.as_ref().map(|said| {
        let cluster = resource_name::service_port(&said.service, said.port);
        mirror(cluster, said.share)
    }));
    let own = hashed(settings).to_vec();
    let hashed = if own.is_empty() { hashed_by_clusters(snapshot, scope, action) } else { own };
    action.hash_policy = hashed.iter().map(hash_policy).collect();
}

/// The same of a route to one endpoint, which needs no balancer.
pub(crate) fn bound(action: &mut RouteAction, settings: &TrafficSettings) {
    if let Some(timeouts) = settings.timeouts {
        if let Some(request) = timeouts.request {
            action.timeout = Some(duration(request));
        }
        action.idle_timeout = timeouts.idle.map(duration);
    }
    let retries = settings.retries.as_ref().filter(|retries| retries.attempts > 0);
    action.retry_policy = retries.map(retry_policy);
}

/// Copies of requests.
pub(crate) fn mirror(cluster: String, share: Share) -> RequestMirrorPolicy {
    RequestMirrorPolicy {
        cluster,
        runtime_fraction: Some(RuntimeFractionalPercent {
            default_value: Some(fault::share(share)),
            ..Default::default()
        }),
        // The copy is of what was asked: Envoy would add `-shadow` to the host.
        disable_shadow_host_suffix_append: true,
        ..Default::default()
    }
}

/// What the balancer of the first cluster needs that has one which hashes: those of a split service's backends.
fn hashed_by_clusters(snapshot: &Snapshot, scope: &Scope, action: &RouteAction) -> Vec<HashOn> {
    let names: Vec<&str> = match &action.cluster_specifier {
        Some(ClusterSpecifier::Cluster(name)) => vec![name],
        Some(ClusterSpecifier::WeightedClusters(weighted)) => {
            weighted.clusters.iter().map(|cluster| cluster.name.as_str()).collect()
        }
        Some(_) | None => Vec::new(),
    };
    let ports = names.into_iter().filter_map(resource_name::parse_service_port);
    let of_ports = ports.map(|(name, port)| {
        let settings = snapshot.traffic(&name, port, super::caller(snapshot, scope));
        hashed(&settings).to_vec()
    });
    of_ports.into_iter().find(|hashed| !hashed.is_empty()).unwrap_or_default()
}

/// What is hashed for a balancer of these settings.
fn hashed(settings: &TrafficSettings) -> &[HashOn] {
    settings.load_balancer.as_ref().map(|balancer| &balancer.algorithm).map_or(&[], Algorithm::hash_on)
}

fn retry_policy(retries: &Retries) -> RetryPolicy {
    let mut on: Vec<_> = retries.on.iter().map(|condition| condition.word()).collect();
    if !retries.statuses.is_empty() {
        on.push("retriable-status-codes");
    }
    let back_off = RetryBackOff {
        base_interval: retries.backoff_base.map(duration),
        max_interval: retries.backoff_max.map(duration),
    };
    let base = back_off.base_interval.or_else(|| Some(duration(std::time::Duration::from_millis(25))));
    let told = retries.backoff_base.is_some() || retries.backoff_max.is_some();
    RetryPolicy {
        retry_on: on.join(","),
        num_retries: Some(uint32(retries.attempts)),
        per_try_timeout: retries.per_try_timeout.map(duration),
        retriable_status_codes: retries.statuses.iter().map(|status| u32::from(*status)).collect(),
        retry_back_off: told.then_some(RetryBackOff { base_interval: base, ..back_off }),
        retry_host_predicate: vec![RetryHostPredicate {
            name: "envoy.retry_host_predicates.previous_hosts".into(),
            config_type: Some(ConfigType::TypedConfig(any::pack(&PreviousHostsPredicate {}))),
        }],
        host_selection_retry_max_attempts: DRAWS,
        ..Default::default()
    }
}

fn hash_policy(on: &HashOn) -> HashPolicy {
    let by = match &on.by {
        HashBy::Header(name) => PolicySpecifier::Header(Header { header_name: name.clone(), ..Default::default() }),
        HashBy::Cookie { name, ttl, path } => PolicySpecifier::Cookie(Cookie {
            name: name.clone(),
            ttl: ttl.map(duration),
            path: path.clone(),
            ..Default::default()
        }),
        HashBy::SourceIp => PolicySpecifier::ConnectionProperties(ConnectionProperties { source_ip: true }),
        HashBy::QueryParameter(name) => PolicySpecifier::QueryParameter(QueryParameter { name: name.clone() }),
    };
    HashPolicy { terminal: on.last, policy_specifier: Some(by) }
}
