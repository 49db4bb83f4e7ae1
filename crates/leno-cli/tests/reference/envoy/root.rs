//! The resources that fields are tried in: each with the converter that takes or refuses it.

use leno_model::Invalid;
use leno_proto::json::{self, ReadError};
use leno_proxy::{
    bootstrap,
    config::{Registry, convert},
};
use serde_json::{Value, json};

use super::legal;

/// What came of a resource: what was made of it, as `Debug` shows it, or what is wrong.
pub(crate) type Outcome = Result<Vec<String>, Vec<Invalid>>;

/// Takes a resource, or refuses it.
type Convert = fn(&Value) -> Result<Outcome, ReadError>;

/// A resource that stands by itself.
pub(crate) struct Root {
    /// Its message.
    pub(crate) message: &'static str,
    /// What becomes of it.
    pub(crate) convert: Convert,
    /// A small legal one.
    pub(crate) legal: fn() -> Value,
}

pub(crate) const ROOTS: [Root; 5] = [
    Root { message: "envoy.config.bootstrap.v3.Bootstrap", convert: bootstrap, legal: around },
    Root {
        message: "envoy.config.listener.v3.Listener",
        convert: listener,
        legal: || legal::message("envoy.config.listener.v3.Listener"),
    },
    Root { message: "envoy.config.route.v3.RouteConfiguration", convert: routes, legal: || json!({ "name": "r" }) },
    Root { message: "envoy.config.cluster.v3.Cluster", convert: cluster, legal: || json!({ "name": "c" }) },
    Root {
        message: "envoy.config.endpoint.v3.ClusterLoadAssignment",
        convert: endpoints,
        legal: || json!({ "cluster_name": "c" }),
    },
];

/// What is not gone into: its fields depend on each other too much to be tried one by one.
const CLOSED: [&str; 2] =
    ["envoy.extensions.transport_sockets.tls.v3.CommonTlsContext", "envoy.extensions.transport_sockets.tls.v3.Secret"];

/// Whether fields of this message are listed with the resource of their own, wherever else it stands, or nowhere.
pub(crate) fn is_elsewhere(message: &str) -> bool {
    ROOTS.iter().any(|root| root.message == message) || CLOSED.contains(&message)
}

/// A cluster that may be a control plane.
fn server(name: &str) -> Value {
    let options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    let http2 = json!({
        "@type": format!("type.googleapis.com/{options}"),
        "explicit_http_config": { "http2_protocol_options": {} },
    });
    json!({ "name": name, "typed_extension_protocol_options": { options: http2 } })
}

/// A file in which anything may be referred to.
fn around() -> Value {
    let services = json!([{ "envoy_grpc": { "cluster_name": "c" } }]);
    let ads = json!({ "api_type": "DELTA_GRPC", "transport_api_version": "V3", "grpc_services": services });
    let source = json!({ "ads": {}, "resource_api_version": "V3" });
    json!({
        "static_resources": { "clusters": [server("c"), server("d")] },
        "dynamic_resources": { "ads_config": ads, "cds_config": source },
    })
}

fn shown<T: std::fmt::Debug>(made: Result<T, Vec<Invalid>>) -> Outcome {
    let lines = |made| {
        // Maps show their entries in no order.
        let mut lines: Vec<_> = format!("{made:#?}").lines().map(|line| line.trim().to_owned()).collect();
        lines.sort_unstable();
        lines
    };
    made.map(lines)
}

fn bootstrap(value: &Value) -> Result<Outcome, ReadError> {
    // Read here first: what is no Bootstrap at all is not a refusal.
    json::read::<leno_proto::v3::bootstrap::Bootstrap>(value)?;
    Ok(shown(bootstrap::parse("envoy.yaml", &value.to_string())))
}

/// As a listener of a file, which has sockets of its own.
fn listener(value: &Value) -> Result<Outcome, ReadError> {
    json::read::<leno_proto::v3::listener::Listener>(value)?;
    let mut file = around();
    file["static_resources"]["listeners"] = json!([value]);
    let outcome = shown(bootstrap::parse("envoy.yaml", &file.to_string()));
    let within = |error: Invalid| {
        let field = error.field.strip_prefix("static_resources.listeners[0].").unwrap_or(&error.field).to_owned();
        Invalid { field, ..error }
    };
    Ok(outcome.map_err(|errors| errors.into_iter().map(within).collect()))
}

fn routes(value: &Value) -> Result<Outcome, ReadError> {
    Ok(shown(convert::routes(&json::read(value)?, &mut Registry::default())))
}

fn cluster(value: &Value) -> Result<Outcome, ReadError> {
    let mut registry = Registry::default();
    registry.set_primary(["c", "d"].into_iter().map(Into::into));
    let made = convert::cluster(&json::read(value)?, &mut registry);
    // Where its endpoints come from, and how long they are waited for, is not in the cluster.
    let wanted = registry.take_wanted();
    Ok(shown(made.map(|made| (made, wanted, registry.sources().collect::<Vec<_>>()))))
}

fn endpoints(value: &Value) -> Result<Outcome, ReadError> {
    Ok(shown(convert::endpoints(&json::read(value)?, None)))
}
