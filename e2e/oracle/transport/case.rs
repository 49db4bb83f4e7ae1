//! Cases, and the file that both run from.
//!
//! | field | is |
//! |---|---|
//! | `listener` | fields of the listener |
//! | `chains` | filter chains; `tls` in one stands for a `DownstreamTlsContext`, `cluster` for a TCP proxy, `tcp` for further fields of it, `http` for fields of a connection manager to `web`, `before` for network filters before them |
//! | `clusters` | by name; `backend` stands for its endpoint, `tls` for an `UpstreamTlsContext` |
//! | `secrets` | secrets of the file |
//! | `files` | files to be written, by name |
//!
//! `$DIR` is the folder of certificates, `$PORT(name)` a backend's port, `$HASH(name)` and `$SPKI(name)` are sums. Clusters
//! `echo` and `web` are there without being named.

use std::{collections::HashMap, fs, path::Path};

use serde_json::{Map, Value, json};

use super::authority::Sums;

/// Ports of backends.
pub(super) type Backends = HashMap<&'static str, u16>;

const TYPES: &str = "type.googleapis.com/envoy.extensions";

/// A listener, its clusters, and what is asked of it.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: String,
    value: Value,
    pub(super) probes: Vec<Value>,
}

/// The cases of `cases/*.yaml`.
pub(super) fn read(folder: &Path, sums: &Sums) -> Vec<Case> {
    let from = format!("{}/oracle/transport/cases", env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> =
        fs::read_dir(from).expect("there are cases").map(|file| file.expect("one").path()).collect();
    files.sort();
    let of_file = |path: &std::path::PathBuf| {
        let mut text = fs::read_to_string(path).expect("it can be read").replace("$DIR", &folder.display().to_string());
        for (name, sum) in sums {
            text = text.replace(name, sum);
        }
        let file = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let cases = crate::case::read(&text).as_array().expect("a list of cases").clone();
        let case = move |value: Value| {
            let name = format!("{file}: {}", value["name"].as_str().expect("a case has a name"));
            Case { name, probes: value["probes"].as_array().expect("a case has probes").clone(), value }
        };
        cases.into_iter().map(case).collect::<Vec<_>>()
    };
    files.iter().flat_map(of_file).collect()
}

/// The file for cases whose listeners are at these ports.
pub(super) fn file(cases: &[Case], ports: &[u16], backends: &Backends, folder: &Path) -> Value {
    let mut resources = (Vec::new(), Vec::new(), Vec::new());
    for (at, (case, port)) in cases.iter().zip(ports).enumerate() {
        for (name, content) in fields(&case.value["files"]) {
            fs::write(folder.join(name), content.as_str().expect("a text")).expect("written");
        }
        resources.0.push(listener(at, case, *port));
        resources.1.extend(clusters(at, case, backends));
        resources.2.extend(case.value["secrets"].as_array().cloned().unwrap_or_default());
    }
    let (listeners, clusters, secrets) = resources;
    let mut file = json!({
        "node": { "id": "oracle", "cluster": "oracle" },
        "static_resources": { "listeners": listeners, "clusters": clusters, "secrets": secrets },
    });
    fill(&mut file, backends);
    file
}

fn fields(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

/// Fields over others.
fn over(mut value: Value, more: &Value) -> Value {
    if let Some(object) = value.as_object_mut() {
        object.extend(fields(more));
    }
    value
}

/// Puts ports where they stand for themselves.
fn fill(value: &mut Value, backends: &Backends) {
    match value {
        Value::Object(map) => map.values_mut().for_each(|value| fill(value, backends)),
        Value::Array(items) => items.iter_mut().for_each(|value| fill(value, backends)),
        Value::String(text) => {
            let name = text.strip_prefix("$PORT(").and_then(|rest| rest.strip_suffix(')'));
            if let Some(port) = name.and_then(|name| backends.get(name)) {
                *value = json!(port);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn named(at: usize, cluster: &str) -> String {
    format!("{cluster}-{at}")
}

fn listener(at: usize, case: &Case, port: u16) -> Value {
    let chains: Vec<_> =
        case.value["chains"].as_array().into_iter().flatten().map(|chain| self::chain(at, chain)).collect();
    let listener = json!({
        "name": format!("case-{at}"),
        "address": { "socket_address": { "address": "127.0.0.1", "port_value": port } },
        "filter_chains": chains,
    });
    over(listener, &case.value["listener"])
}

fn chain(at: usize, value: &Value) -> Value {
    let mut chain = fields(value);
    let mut take = |name: &str| chain.remove(name).unwrap_or_default();
    let (tls, cluster, tcp, http, before) = (take("tls"), take("cluster"), take("tcp"), take("http"), take("before"));
    let end = if http.is_object() { manager(at, &http) } else { proxy(at, cluster.as_str().unwrap_or("echo"), &tcp) };
    let filters: Vec<_> = before.as_array().cloned().unwrap_or_default().into_iter().chain([end]).collect();
    let mut chain = over(json!({ "filters": filters }), &Value::Object(chain));
    if tls.is_object() {
        chain["transport_socket"] = socket("DownstreamTlsContext", &tls);
    }
    chain
}

fn socket(kind: &str, fields: &Value) -> Value {
    let config = over(json!({ "@type": format!("{TYPES}.transport_sockets.tls.v3.{kind}") }), fields);
    json!({ "name": "tls", "typed_config": config })
}

fn proxy(at: usize, cluster: &str, more: &Value) -> Value {
    let mut config =
        json!({ "@type": format!("{TYPES}.filters.network.tcp_proxy.v3.TcpProxy"), "stat_prefix": "case" });
    let mut more = more.clone();
    match more.pointer_mut("/weighted_clusters/clusters").and_then(Value::as_array_mut) {
        Some(clusters) => {
            for cluster in clusters {
                cluster["name"] = json!(named(at, cluster["name"].as_str().unwrap_or_default()));
            }
        }
        None => config["cluster"] = json!(named(at, cluster)),
    }
    json!({ "name": "tcp", "typed_config": over(config, &more) })
}

fn manager(at: usize, more: &Value) -> Value {
    let kind = "filters.network.http_connection_manager.v3.HttpConnectionManager";
    let cluster = more["cluster"].as_str().unwrap_or("web");
    let routes = json!([{ "match": { "prefix": "/" }, "route": { "cluster": named(at, cluster) } }]);
    let router =
        json!({ "name": "router", "typed_config": { "@type": format!("{TYPES}.filters.http.router.v3.Router") } });
    let config = json!({
        "@type": format!("{TYPES}.{kind}"),
        "stat_prefix": "case",
        "route_config": { "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": routes }] },
    });
    let mut more = fields(more);
    more.remove("cluster");
    let mut filters = more.remove("filters").and_then(|filters| filters.as_array().cloned()).unwrap_or_default();
    filters.push(router);
    let mut config = over(config, &Value::Object(more));
    config["http_filters"] = Value::Array(filters);
    json!({ "name": "http", "typed_config": config })
}

fn clusters(at: usize, case: &Case, backends: &Backends) -> Vec<Value> {
    let mut all = fields(&case.value["clusters"]);
    for usual in ["echo", "web"] {
        all.entry(usual).or_insert_with(|| json!({ "backend": usual }));
    }
    let one = |(name, value): (String, Value)| {
        let mut cluster = fields(&value);
        let backend = cluster.remove("backend").unwrap_or_default();
        let tls = cluster.remove("tls").unwrap_or_default();
        let mut made = json!({ "name": named(at, &name), "connect_timeout": "2s" });
        if let Some(backend) = backend.as_str() {
            let port = backends.get(backend).unwrap_or_else(|| panic!("{}: no backend {backend}", case.name));
            let address = json!({ "socket_address": { "address": "127.0.0.1", "port_value": port } });
            let endpoints = json!([{ "lb_endpoints": [{ "endpoint": { "address": address } }] }]);
            made["load_assignment"] = json!({ "cluster_name": named(at, &name), "endpoints": endpoints });
        }
        if tls.is_object() {
            made["transport_socket"] = socket("UpstreamTlsContext", &tls);
        }
        over(made, &Value::Object(cluster))
    };
    all.into_iter().map(one).collect()
}
