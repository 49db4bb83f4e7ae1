//! What is in use, as JSON.

use std::time::{SystemTime, UNIX_EPOCH};

use leno_engine::label;
use serde_json::{Map, Value, json};

use crate::{
    config::{
        Cluster, ClusterKind, DownstreamTls, Endpoint, EndpointSet, FilterChain, Listener, RouteSource, Security, Slot,
        Terminal, dns::DnsKind,
    },
    discovery::{Rejection, Snapshot},
    explain,
    identity::Credentials,
};

/// The certificate and the roots.
pub(crate) fn certificates(credentials: &Credentials) -> Value {
    let Some(identity) = credentials.identity() else {
        return json!({ "certificate": null });
    };
    let svid = identity.svid();
    let bundle = identity.bundle();
    json!({
        "certificate": {
            "identity": svid.id().to_string(),
            "not_before": seconds(svid.credential().not_before()),
            "not_after": seconds(svid.credential().not_after()),
        },
        "trust_bundle": { "trust_domain": bundle.trust_domain().to_string(), "roots": bundle.roots().len() },
        "renewals_failed": credentials.failed(),
    })
}

/// Seconds since the epoch.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Everything.
pub(crate) fn dump(snapshot: &Snapshot) -> Value {
    let routes = |slot: &std::sync::Arc<Slot<crate::config::Routes>>| {
        let value = slot.get().map(|routes| lines(&routes.table));
        json!({ "name": &**slot.name(), "state": state(slot), "table": value })
    };
    let rejected = |rejection: &Rejection| {
        let Rejection { kind, name, reason } = rejection;
        json!({ "kind": kind.to_string(), "name": &**name, "error": reason })
    };
    json!({
        "connected": snapshot.connected,
        "listeners": listeners(snapshot),
        "routes": snapshot.routes.iter().map(routes).collect::<Vec<_>>(),
        "clusters": clusters(snapshot),
        "rejected": snapshot.rejected.iter().map(rejected).collect::<Vec<_>>(),
    })
}

/// What has no form of its own in JSON, line by line as the program prints it.
fn lines(value: &impl std::fmt::Debug) -> Vec<String> {
    format!("{value:#?}").lines().map(str::to_owned).collect()
}

/// The listeners.
pub(crate) fn listeners(snapshot: &Snapshot) -> Value {
    snapshot.listeners.iter().map(|slot| with_state(slot, listener)).collect()
}

/// The clusters.
pub(crate) fn clusters(snapshot: &Snapshot) -> Value {
    snapshot.clusters.iter().map(|slot| with_state(slot, cluster)).collect()
}

/// A slot's name and state, and what its value shows.
fn with_state<T>(slot: &Slot<T>, show: fn(&T) -> Value) -> Value {
    let mut value = slot.get().map_or_else(|| json!({}), |value| show(&value));
    if let Value::Object(fields) = &mut value {
        fields.insert("name".into(), json!(&**slot.name()));
        fields.insert("state".into(), json!(state(slot)));
    }
    value
}

fn state<T>(slot: &Slot<T>) -> String {
    format!("{:?}", slot.state())
}

fn listener(listener: &Listener) -> Value {
    let inspect = &listener.inspect;
    json!({
        "filter_chains": listener.filter_chains.iter().map(|chain| filter_chain(chain)).collect::<Vec<_>>(),
        "default_filter_chain": listener.default_filter_chain.as_ref().map(|chain| filter_chain(chain)),
        "inspect": { "tls": inspect.tls, "http": inspect.http, "timeout_seconds": inspect.timeout.as_secs_f64() },
    })
}

fn filter_chain(chain: &FilterChain) -> Value {
    let terminal = match &chain.terminal {
        Terminal::Http(manager) => json!({ "http": {
            "stat_prefix": &*manager.stat_prefix,
            "routes": match &manager.routes {
                RouteSource::Inline(routes) => json!({ "inline": lines(&routes.table) }),
                RouteSource::Named(slot) => json!(&**slot.name()),
            },
            "filters": manager.filters.iter().map(lines).collect::<Vec<_>>(),
            "access_log": manager.access_log,
        }}),
        Terminal::Tcp(proxy) => json!({ "tcp": {
            "stat_prefix": &*proxy.stat_prefix,
            "clusters": proxy.clusters.iter().map(|weighted| {
                json!({ "weight": weighted.weight, "cluster": &**weighted.cluster.name() })
            }).collect::<Vec<_>>(),
            "access_log": proxy.access_log,
        }}),
    };
    json!({
        "name": &*chain.name,
        "match": {
            "destination_port": chain.matches.destination_port,
            "transport": chain.matches.transport.map(|transport| format!("{transport:?}")),
            "application_protocols": chain.matches.application_protocols.iter().map(|p| &**p).collect::<Vec<_>>(),
        },
        "tls": chain.tls.as_deref().map(|tls| match tls {
            DownstreamTls::Mesh(tls) => json!({ "mesh": tls.alpn.iter().map(|p| &**p).collect::<Vec<_>>() }),
            DownstreamTls::Own(context) => json!({ "own": context.slots().map(|slot| &**slot.name()).collect::<Vec<_>>() }),
        }),
        "guards": chain.guards.iter().map(lines).collect::<Vec<_>>(),
        "terminal": terminal,
    })
}

fn cluster(cluster: &Cluster) -> Value {
    let (kind, endpoints) = match &cluster.kind {
        ClusterKind::Static(set) => ("static", Some(std::sync::Arc::clone(set))),
        ClusterKind::Eds(slot) => ("eds", slot.get()),
        ClusterKind::Dns(dns) => match dns.kind {
            DnsKind::Strict => ("strict_dns", dns.slot.get()),
            DnsKind::Logical => ("logical_dns", dns.slot.get()),
        },
        ClusterKind::OriginalDst(_) => ("original_dst", None),
    };
    json!({
        "service": &*cluster.service,
        "objects": cluster.origins.iter().map(|origin| &**origin).collect::<Vec<_>>(),
        "kind": kind,
        "connect_timeout_seconds": cluster.connect_timeout.as_secs_f64(),
        "load_balancer": format!("{:?}", cluster.balancing.policy),
        "localities": format!("{:?}", cluster.balancing.localities),
        "subsets": cluster.balancing.subsets.as_ref().map(lines),
        "panic_threshold": cluster.balancing.panic_threshold,
        "endpoints": endpoints.as_deref().map(|set| self::endpoints(cluster, set)),
    })
}

fn endpoints(cluster: &Cluster, set: &EndpointSet) -> Value {
    set.endpoints.iter().map(|one| endpoint(cluster, one)).collect()
}

fn endpoint(cluster: &Cluster, endpoint: &Endpoint) -> Value {
    let transport = match &cluster.transport(endpoint).security {
        Security::Plain => json!("plaintext"),
        Security::Tls(_) | Security::Named(_) => json!("tls"),
        Security::MeshTls(tls) => {
            json!({ "mesh_tls": tls.identities.iter().map(ToString::to_string).collect::<Vec<_>>() })
        }
    };
    let standing = &endpoint.standing;
    json!({
        "address": endpoint.address.to_string(),
        "hostname": &*standing.hostname,
        "weight": endpoint.weight,
        "priority": standing.priority,
        "locality": {
            "region": &*standing.locality.region,
            "zone": &*standing.locality.zone,
            "sub_zone": &*standing.locality.sub_zone,
            "weight": standing.locality_weight,
        },
        "labels": standing.labels.iter().map(|(key, value)| (key.to_owned(), shown(value))).collect::<Map<_, _>>(),
        "canary": endpoint.is_canary(),
        "healthy": endpoint.is_healthy(),
        "health": explain::health(endpoint),
        "active": endpoint.active(),
        "workload": &*endpoint.workload.workload,
        "pod": &*endpoint.workload.pod,
        "namespace": &*endpoint.workload.namespace,
        "transport": transport,
    })
}

/// A value that was noted.
fn shown(value: &label::Value) -> Value {
    match value {
        label::Value::Null => Value::Null,
        label::Value::Bool(value) => json!(value),
        label::Value::Number(value) => json!(value),
        label::Value::Text(text) => json!(&**text),
        label::Value::List(values) => values.iter().map(shown).collect(),
        label::Value::Labels(labels) => {
            Value::Object(labels.iter().map(|(key, value)| (key.to_owned(), shown(value))).collect())
        }
    }
}
