//! Bootstraps and resources.

use serde_json::{Value, json};

const EXTENSIONS: &str = "type.googleapis.com/envoy.extensions";

/// A bootstrap that asks a control plane at this port for everything, by `GRPC` or `DELTA_GRPC`.
pub(super) fn bootstrap(protocol: &str, control: u16, admin: u16) -> Value {
    let ads = json!({
        "api_type": protocol,
        "transport_api_version": "V3",
        "set_node_on_first_message_only": true,
        "grpc_services": [{
            "envoy_grpc": { "cluster_name": "xds" },
            "initial_metadata": [{ "key": "x-token", "value": "secret" }],
        }],
    });
    let from_ads = json!({ "ads": {}, "resource_api_version": "V3" });
    json!({
        "node": { "id": "edge-1", "cluster": "edge", "locality": { "zone": "here" }, "metadata": { "role": "edge" } },
        "admin": { "address": address(admin) },
        "static_resources": { "clusters": [control_cluster(&[control])] },
        "dynamic_resources": { "ads_config": ads, "lds_config": from_ads, "cds_config": from_ads },
    })
}

/// The cluster of control planes.
pub(super) fn control_cluster(ports: &[u16]) -> Value {
    let options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    let mut cluster = cluster("xds", ports);
    cluster["typed_extension_protocol_options"] = json!({ options: {
        "@type": format!("type.googleapis.com/{options}"),
        "explicit_http_config": { "http2_protocol_options": {} },
    } });
    cluster
}

/// A cluster with its endpoints.
pub(super) fn cluster(name: &str, ports: &[u16]) -> Value {
    json!({ "name": name, "type": "STATIC", "connect_timeout": "1s", "load_assignment": endpoints(name, ports) })
}

/// A cluster whose endpoints come by themselves.
pub(super) fn eds_cluster(name: &str) -> Value {
    let config = json!({ "eds_config": { "ads": {}, "resource_api_version": "V3" } });
    json!({ "name": name, "type": "EDS", "connect_timeout": "1s", "eds_cluster_config": config })
}

/// A load assignment.
pub(super) fn endpoints(cluster: &str, ports: &[u16]) -> Value {
    let all: Vec<_> = ports.iter().map(|port| json!({ "endpoint": { "address": address(*port) } })).collect();
    json!({ "cluster_name": cluster, "endpoints": [{ "lb_endpoints": all }] })
}

/// A listener whose routes come by themselves.
pub(super) fn listener(name: &str, port: u16, routes: &str) -> Value {
    let router = json!({ "@type": format!("{EXTENSIONS}.filters.http.router.v3.Router") });
    let manager = json!({
        "@type": format!("{EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": name,
        "rds": { "route_config_name": routes, "config_source": { "ads": {}, "resource_api_version": "V3" } },
        "http_filters": [{ "name": "router", "typed_config": router }],
    });
    let chain = json!({ "filters": [{ "name": "http", "typed_config": manager }] });
    json!({ "name": name, "address": address(port), "filter_chains": [chain] })
}

/// Routes with one action for everything.
pub(super) fn routes(name: &str, action: &Value) -> Value {
    let mut route = json!({ "match": { "prefix": "/" } });
    route.as_object_mut().expect("an object").extend(action.as_object().cloned().unwrap_or_default());
    json!({ "name": name, "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": [route] }] })
}

/// An answer of the proxy's own.
pub(super) fn say(text: &str) -> Value {
    json!({ "direct_response": { "status": 200, "body": { "inline_string": text } } })
}

/// To a cluster.
pub(super) fn to(cluster: &str) -> Value {
    json!({ "route": { "cluster": cluster } })
}

pub(super) fn address(port: u16) -> Value {
    json!({ "socket_address": { "address": "127.0.0.1", "port_value": port } })
}
