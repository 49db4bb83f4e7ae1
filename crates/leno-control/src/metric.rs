//! The control plane's own metrics and health, on port 15014.

use std::{
    sync::{Mutex, PoisonError, atomic::Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use leno_ca::Refusal;
use leno_proto::resource;
use leno_xds::{ResourceType, server::Observer};
use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use crate::wire::Control;

/// A metric, for the reference.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    /// Its name as it is scraped.
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// Its labels.
    pub labels: &'static [Label],
    /// What it counts.
    pub help: &'static str,
}

/// A label, for the reference.
#[derive(Clone, Copy, Debug)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub meaning: &'static str,
    /// Its values.
    pub values: fn() -> Vec<&'static str>,
}

const fn describe(name: &'static str, kind: &'static str, labels: &'static [Label], help: &'static str) -> Description {
    Description { name, kind, labels, help }
}

const AGENT: Label = Label { name: "agent", meaning: "What is at the other end", values: || AGENTS.to_vec() };
const TYPE: Label = Label { name: "type", meaning: "The type of resource", values: types };
const RESULT: Label = Label { name: "result", meaning: "`issued`, or why not", values: results };
const MESHED: Label =
    Label { name: "meshed", meaning: "Whether they have a sidecar", values: || vec!["true", "false"] };

const CONNECTED: Description = describe(
    "leno_control_proxies_connected",
    "gauge",
    &[AGENT],
    "Open discovery streams, by what is at the other end",
);
const PUSHES: Description =
    describe("leno_control_pushes_total", "counter", &[TYPE], "Answers sent to proxies, by type of resource");
const PUSHED_RESOURCES: Description =
    describe("leno_control_pushed_resources_total", "counter", &[TYPE], "Resources in those answers");
const PUSH_BYTES: Description =
    describe("leno_control_push_bytes_total", "counter", &[TYPE], "Bytes of those resources");
const REFUSALS: Description = describe("leno_control_nacks_total", "counter", &[TYPE], "Answers that a proxy refused");
const CONVERGENCE: Description = describe(
    "leno_control_convergence_seconds",
    "histogram",
    &[TYPE],
    "From a change being taken into use here until a proxy has acknowledged it",
);
const CERTIFICATES: Description = describe(
    "leno_control_certificates_total",
    "counter",
    &[RESULT],
    "Requests for certificates: issued, or why they were refused",
);
const INVALID: Description =
    describe("leno_control_objects_invalid", "gauge", &[], "Things that are wrong with the objects");
const OBJECTS: Description = describe("leno_control_objects", "gauge", &[], "Objects that the mesh is made of");
const SERVICES: Description = describe("leno_control_services", "gauge", &[], "Services in the mesh");
const WORKLOADS: Description =
    describe("leno_control_workloads", "gauge", &[MESHED], "Workloads, with and without a sidecar");
const VERSION: Description = describe("leno_control_mesh_version", "gauge", &[], "How often the mesh has changed");
const STARTED: Description =
    describe("process_start_time_seconds", "gauge", &[], "When the process started, in seconds since 1970");

/// Every metric of the control plane.
pub const TABLE: [Description; 13] = [
    CONNECTED,
    PUSHES,
    PUSHED_RESOURCES,
    PUSH_BYTES,
    REFUSALS,
    CONVERGENCE,
    CERTIFICATES,
    INVALID,
    OBJECTS,
    SERVICES,
    WORKLOADS,
    VERSION,
    STARTED,
];

type Pair = [(&'static str, &'static str); 1];
type Counters = Family<Pair, Counter>;
type Gauges = Family<[(&'static str, String); 1], Gauge>;

/// The handles.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Mutex<Registry>,
    connected: Gauges,
    pushes: Counters,
    pushed_resources: Counters,
    push_bytes: Counters,
    refusals: Counters,
    convergence: Family<Pair, Histogram>,
    certificates: Counters,
    invalid: Gauge,
    objects: Gauge,
    services: Gauge,
    workloads: Gauges,
    version: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::default();
        let buckets = || Histogram::new([0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]);
        let started = Gauge::<i64>::default();
        started.set(seconds(SystemTime::now()));
        register(&mut registry, STARTED, started);
        Self {
            connected: register(&mut registry, CONNECTED, Gauges::default()),
            pushes: register(&mut registry, PUSHES, Counters::default()),
            pushed_resources: register(&mut registry, PUSHED_RESOURCES, Counters::default()),
            push_bytes: register(&mut registry, PUSH_BYTES, Counters::default()),
            refusals: register(&mut registry, REFUSALS, Counters::default()),
            convergence: register(&mut registry, CONVERGENCE, Family::new_with_constructor(buckets)),
            certificates: register(&mut registry, CERTIFICATES, Counters::default()),
            invalid: register(&mut registry, INVALID, Gauge::default()),
            objects: register(&mut registry, OBJECTS, Gauge::default()),
            services: register(&mut registry, SERVICES, Gauge::default()),
            workloads: register(&mut registry, WORKLOADS, Gauges::default()),
            version: register(&mut registry, VERSION, Gauge::default()),
            registry: Mutex::new(registry),
        }
    }

    /// Those of the limits that are counted here, told beside the others.
    pub(crate) fn rate_limits(&self) -> leno_ratelimit::metric::Metrics {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        leno_ratelimit::metric::Metrics::register(&mut registry)
    }

    pub(crate) fn certificate_issued(&self) {
        self.certificates.get_or_create(&[(RESULT.name, ISSUED)]).inc();
    }

    pub(crate) fn certificate_refused(&self, refusal: Refusal) {
        self.certificates.get_or_create(&[(RESULT.name, refusal.label())]).inc();
    }

    /// Everything in the text format of Prometheus. What has a present value is looked up now.
    fn scrape(&self, control: &Control) -> Result<String, std::fmt::Error> {
        let snapshot = control.mesh.snapshot();
        let status = control.statuses.borrow().clone();
        self.invalid.set(count(status.invalid.len()));
        self.objects.set(count(status.objects.len()));
        self.services.set(count(snapshot.services.len()));
        self.version.set(i64::try_from(snapshot.version).unwrap_or(i64::MAX));
        let meshed = snapshot.workloads.values().filter(|workload| workload.meshed).count();
        self.workloads.get_or_create(&[(MESHED.name, "true".into())]).set(count(meshed));
        self.workloads.get_or_create(&[(MESHED.name, "false".into())]).set(count(snapshot.workloads.len() - meshed));
        self.connected.clear();
        self.connected.get_or_create(&[(AGENT.name, "leno-proxy".into())]).set(0);
        for stream in control.ads.board().streams() {
            self.connected.get_or_create(&[(AGENT.name, agent(&stream.node.user_agent_name).into())]).inc();
        }
        let mut text = String::new();
        encode(&mut text, &self.registry.lock().unwrap_or_else(PoisonError::into_inner))?;
        Ok(text)
    }
}

/// The values of the label `agent`; what clients say of themselves is not trusted to be of few kinds.
const AGENTS: [&str; 4] = ["leno-proxy", "envoy", "grpc", "other"];

/// The value of the label `result` for a certificate that was issued.
const ISSUED: &str = "issued";

/// The label of an agent.
pub(crate) fn agent(user_agent: &str) -> &'static str {
    let [proxy, envoy, grpc, other] = AGENTS;
    match user_agent {
        agent if agent == proxy => proxy,
        agent if agent == envoy => envoy,
        agent if agent.starts_with("gRPC") || agent.starts_with(grpc) => grpc,
        _ => other,
    }
}

fn types() -> Vec<&'static str> {
    ResourceType::ALL.iter().map(|it| resource::short_name(it.url())).collect()
}

fn results() -> Vec<&'static str> {
    std::iter::once(ISSUED).chain(Refusal::ALL.map(Refusal::label)).collect()
}

impl Observer for Metrics {
    fn sent(&self, resource_type: ResourceType, resources: usize, bytes: usize) {
        let label = type_label(resource_type);
        self.pushes.get_or_create(&label).inc();
        self.pushed_resources.get_or_create(&label).inc_by(resources as u64);
        self.push_bytes.get_or_create(&label).inc_by(bytes as u64);
    }

    fn acknowledged(&self, resource_type: ResourceType, convergence: Option<Duration>) {
        if let Some(convergence) = convergence {
            self.convergence.get_or_create(&type_label(resource_type)).observe(convergence.as_secs_f64());
        }
    }

    fn refused(&self, resource_type: ResourceType, _: &str) {
        self.refusals.get_or_create(&type_label(resource_type)).inc();
    }
}

fn type_label(resource_type: ResourceType) -> Pair {
    [(TYPE.name, resource::short_name(resource_type.url()))]
}

fn register<M: prometheus_client::registry::Metric + Clone>(registry: &mut Registry, of: Description, metric: M) -> M {
    // The registry adds the suffix of counters itself.
    registry.register(of.name.strip_suffix("_total").unwrap_or(of.name), of.help, metric.clone());
    metric
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn seconds(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// The port's paths.
pub(crate) fn router(control: Control) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz/live", get(async || "live\n"))
        .route("/healthz/ready", get(ready))
        .with_state(control)
}

async fn metrics(State(control): State<Control>) -> Response {
    match control.metrics.scrape(&control) {
        Ok(text) => {
            let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(CONTENT_TYPE, content_type)], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn ready(State(control): State<Control>) -> Response {
    if control.ready.load(Ordering::Relaxed) {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response()
    }
}
