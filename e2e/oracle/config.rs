//! The file that both run from.

use serde_json::{Value, json};

use crate::{case::Case, upstream::Upstream};

/// The clusters that cases may name; each has backends of its own.
pub(crate) const CLUSTERS: [&str; 5] = ["one", "two", "three", "many", "none"];

/// The cluster of the services that filters ask in gRPC, and one where nobody is.
const SERVICES: [&str; 2] = ["services", "nobody"];

const EXTENSIONS: &str = "type.googleapis.com/envoy.extensions";

/// The file for cases whose listeners are at these ports; `admin` is that of the admin interface.
pub(crate) fn file(cases: &[Case], ports: &[u16], admin: u16, upstream: &Upstream) -> Value {
    let listeners: Vec<_> =
        cases.iter().zip(ports).enumerate().map(|(at, (case, port))| listener(at, case, *port)).collect();
    let clusters = cases.iter().enumerate().flat_map(|(at, case)| clusters(at, case, upstream));
    let clusters: Vec<_> = clusters.chain([callers()]).collect();
    json!({
        "admin": { "address": { "socket_address": { "address": "127.0.0.1", "port_value": admin } } },
        // Where both are, for what is near to them.
        "node": { "id": "oracle", "cluster": "oracle", "locality": { "region": "r", "zone": "near" } },
        "cluster_manager": { "local_cluster_name": CALLERS },
        "static_resources": { "listeners": listeners, "clusters": clusters },
    })
}

/// The cluster that both proxies are one of: two of its four are near.
const CALLERS: &str = "callers";

fn callers() -> Value {
    // Nobody asks them anything.
    let place = |zone: &str, ports: [u16; 2]| json!({ "locality": { "region": "r", "zone": zone }, "lb_endpoints": ports.map(endpoint) });
    json!({
        "name": CALLERS,
        "connect_timeout": "2s",
        "load_assignment": { "cluster_name": CALLERS, "endpoints": [place("near", [1, 2]), place("far", [3, 4])] },
    })
}

/// Clusters belong to a case, so that what one does to them another does not feel.
fn named(at: usize, cluster: &str) -> String {
    format!("{cluster}-{at}")
}

fn listener(at: usize, case: &Case, port: u16) -> Value {
    let mut manager = case.manager.clone();
    let type_url = format!("{EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager");
    manager.insert("@type".into(), json!(type_url));
    manager.entry("stat_prefix").or_insert_with(|| json!("case"));
    let router =
        json!({ "name": "router", "typed_config": { "@type": format!("{EXTENSIONS}.filters.http.router.v3.Router") } });
    let filters = manager.entry("http_filters").or_insert_with(|| json!([]));
    if let Some(filters) = filters.as_array_mut() {
        filters.iter_mut().for_each(|filter| rename(at, filter));
        filters.push(router);
    }
    if let Some(routes) = manager.get_mut("route_config") {
        rename(at, routes);
    }
    json!({
        "name": format!("case-{at}"),
        "address": { "socket_address": { "address": "127.0.0.1", "port_value": port } },
        "filter_chains": [{ "filters": [{ "name": "http", "typed_config": manager }] }],
    })
}

/// Gives the clusters in routes the names that they have in the file.
fn rename(at: usize, value: &mut Value) {
    match value {
        Value::Object(map) => {
            let weighted = map.contains_key("weight");
            for (key, value) in map.iter_mut() {
                match value.as_str() {
                    Some(name) if key == "cluster" || key == "cluster_name" || (weighted && key == "name") => {
                        *value = json!(named(at, name))
                    }
                    _ => rename(at, value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(at, item)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn clusters(at: usize, case: &Case, upstream: &Upstream) -> Vec<Value> {
    let of_name = |name: &&str| {
        let endpoints: Vec<_> = upstream.ports(name).iter().map(|port| endpoint(*port)).collect();
        let mut cluster = json!({
            "name": named(at, name),
            "connect_timeout": "2s",
            "load_assignment": { "cluster_name": named(at, name), "endpoints": [{ "lb_endpoints": endpoints }] },
        });
        if let Some(assignment) = case.assignments.get(*name) {
            let mut assignment = assignment.clone();
            assignment["cluster_name"] = json!(named(at, name));
            address(&mut assignment, upstream.ports(name));
            cluster["load_assignment"] = assignment;
        }
        let more = case.clusters.get(*name).and_then(Value::as_object).cloned().unwrap_or_default();
        if let Some(cluster) = cluster.as_object_mut() {
            cluster.extend(more);
        }
        cluster
    };
    CLUSTERS.iter().map(of_name).chain(SERVICES.map(|name| service(at, name, upstream))).collect()
}

/// A cluster that is asked in gRPC.
fn service(at: usize, name: &str, upstream: &Upstream) -> Value {
    let port = if name == "services" { upstream.services } else { upstream.closed };
    json!({
        "name": named(at, name),
        "connect_timeout": "2s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": format!("{EXTENSIONS}.upstreams.http.v3.HttpProtocolOptions"),
                "explicit_http_config": { "http2_protocol_options": {} },
            },
        },
        "load_assignment": { "cluster_name": named(at, name), "endpoints": [{ "lb_endpoints": [endpoint(port)] }] },
    })
}

/// Gives `{port: N}` the address of a cluster's Nth backend.
fn address(value: &mut Value, ports: &[u16]) {
    match value {
        Value::Object(map) => {
            let port = map.remove("port").and_then(|number| ports.get(usize::try_from(number.as_u64()?).ok()?));
            if let Some(port) = port {
                let endpoint = map.entry("endpoint").or_insert_with(|| json!({}));
                endpoint["address"] = json!({ "socket_address": { "address": "127.0.0.1", "port_value": port } });
            }
            map.values_mut().for_each(|value| address(value, ports));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| address(item, ports)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn endpoint(port: u16) -> Value {
    json!({ "endpoint": { "address": { "socket_address": { "address": "127.0.0.1", "port_value": port } } } })
}
