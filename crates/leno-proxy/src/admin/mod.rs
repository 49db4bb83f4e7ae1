//! What people and machines ask of a running sidecar.
//!
//! | address | path | what |
//! |---|---|---|
//! | 127.0.0.1:15000 | `/config_dump` | everything in use |
//! | | `/listeners`, `/clusters` | listeners; clusters with their endpoints and load |
//! | | `/certs` | the certificate and the roots |
//! | | `/stats` | metrics |
//! | | `/ready` | whether the sidecar is ready |
//! | | `/server_info` | version, state, how long it has run |
//! | | `/explain` (POST) | what would become of a request (`leno_api::explain`) |
//! | | `/logging?level=debug` (POST) | changes the log level |
//! | | `/drain`, `/quitquitquit` (POST) | ends the process as SIGTERM does |
//! | 0.0.0.0:15020 | `/stats/prometheus` | metrics, the application's own included |
//! | | `/healthz/ready` | whether the sidecar is ready |

pub mod application;
pub mod serve;
pub mod view;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use leno_runtime::LogLevel;
use tokio::sync::Notify;

use self::application::Application;
use crate::{
    config::SlotState,
    discovery::Snapshot,
    settings::Entrance,
    telemetry::{
        Totals,
        metric::{self, Process},
    },
    worker::{Shared, run::Handle},
};

/// The text format of Prometheus.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
/// JSON.
const JSON: &str = "application/json";
/// Anything else.
const TEXT: &str = "text/plain; charset=utf-8";

/// How long a question may be, in bytes.
const QUESTION: usize = 256 * 1024;

/// An answer.
pub(crate) type Answer = Response<Full<Bytes>>;

/// What the answers are made of.
#[derive(Debug)]
pub struct Admin {
    /// What all workers share.
    pub shared: Arc<Shared>,
    /// The workers; all of them listen.
    pub workers: Vec<Handle>,
    /// The log's level.
    pub log: LogLevel,
    /// The application's own metrics, to be merged.
    pub application: Option<Application>,
    /// Told to end the process.
    pub stop: Notify,
    /// Whether the process is ending.
    pub draining: AtomicBool,
    /// When the process started.
    pub started: Instant,
}

impl Admin {
    /// Answers on the port of metrics and readiness.
    pub(crate) async fn public(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/stats/prometheus" | "/metrics") => self.prometheus().await,
            (&Method::GET, "/healthz/ready") => self.ready(),
            _ => text(StatusCode::NOT_FOUND, "paths: /stats/prometheus, /healthz/ready\n"),
        }
    }

    /// Answers on the loopback port.
    pub(crate) async fn private(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/stats" | "/stats/prometheus") => answer(StatusCode::OK, PROMETHEUS, self.metrics().await),
            (&Method::GET, "/ready") => self.ready(),
            (&Method::GET, "/server_info") => json(&self.server_info()),
            (&Method::GET, "/certs") => json(&view::certificates(&self.shared.credentials)),
            (&Method::GET, "/config_dump") => self.view(view::dump).await,
            (&Method::GET, "/clusters") => self.view(view::clusters).await,
            (&Method::GET, "/listeners") => self.view(view::listeners).await,
            (&Method::POST, "/explain") => self.explain(request.into_body()).await,
            (&Method::POST, "/logging") => self.logging(request.uri().query().unwrap_or_default()),
            (&Method::POST, "/drain" | "/quitquitquit") => {
                self.stop.notify_one();
                text(StatusCode::OK, "draining\n")
            }
            (_, "/drain" | "/quitquitquit" | "/logging" | "/explain") => {
                text(StatusCode::METHOD_NOT_ALLOWED, "use POST\n")
            }
            _ => text(
                StatusCode::NOT_FOUND,
                "paths: /config_dump, /listeners, /clusters, /certs, /stats, /ready, /server_info, /explain (POST), /logging?level= (POST), /drain or /quitquitquit (POST)\n",
            ),
        }
    }

    /// Who this process is and how it does, in Envoy's words where it has some.
    fn server_info(&self) -> serde_json::Value {
        let state = match (self.draining.load(Ordering::Relaxed), self.lacks().is_empty()) {
            (true, _) => "DRAINING",
            (false, true) => "LIVE",
            (false, false) => "INITIALIZING",
        };
        let workload = &self.shared.settings.workload;
        serde_json::json!({
            "version": concat!("leno/", env!("CARGO_PKG_VERSION")),
            "state": state,
            "uptime_seconds": self.started.elapsed().as_secs(),
            "workers": self.workers.len(),
            "node": { "id": &*workload.pod, "cluster": &*workload.workload },
        })
    }

    /// Whether there is all that is needed. Sockets listen before there is anybody to answer this.
    fn ready(&self) -> Answer {
        let missing = self.lacks();
        if missing.is_empty() {
            return text(StatusCode::OK, "ready\n");
        }
        text(StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", missing.join(", ")))
    }

    /// What keeps the process from being ready.
    fn lacks(&self) -> Vec<&'static str> {
        let mut missing = Vec::new();
        if self.draining.load(Ordering::Relaxed) {
            missing.push("draining");
        }
        match &self.shared.settings.entrance {
            Entrance::Redirected { .. } => missing.extend(self.missing()),
            // What the file says is there from the start.
            Entrance::Bound(_) => {}
        }
        missing
    }

    /// What a sidecar needs and has not got yet.
    fn missing(&self) -> impl Iterator<Item = &'static str> {
        let config = &self.shared.config;
        [
            (self.shared.credentials.identity().is_some(), "no certificate"),
            (config.inbound().state() == SlotState::Ready, "no inbound listener"),
            (config.outbound().state() == SlotState::Ready, "no outbound listener"),
        ]
        .into_iter()
        .filter_map(|(there, missing)| (!there).then_some(missing))
    }

    /// Our metrics, and the application's after them.
    async fn prometheus(&self) -> Answer {
        let mut page = self.metrics().await;
        if let Some(application) = &self.application {
            match application.scrape().await {
                Ok(more) => page.push_str(&more),
                Err(error) => {
                    tracing::warn!(error, "cannot scrape the application");
                    page.push_str("# the application's metrics could not be had\n");
                }
            }
        }
        answer(StatusCode::OK, PROMETHEUS, page)
    }

    /// Our metrics.
    async fn metrics(&self) -> String {
        let mut totals = Totals::default();
        for worker in &self.workers {
            if let Some(counted) = worker.totals().await {
                totals.merge(&counted);
            }
        }
        let snapshot = self.shared.config.snapshot().await.unwrap_or_default();
        let process = Process {
            connections: self.shared.connections.load(Ordering::Relaxed),
            certificate_expiry: self.shared.credentials.expiry_seconds(),
            renewals_failed: self.shared.credentials.failed(),
            connected: snapshot.connected,
            resources: snapshot.resources(),
            rejected: snapshot.counts.rejected,
            updates: snapshot.counts.updates,
            log_dropped: self.shared.access_log.dropped(),
        };
        metric::render(totals, process)
    }

    /// Something of what is in use, as JSON.
    async fn view(&self, view: fn(&Snapshot) -> serde_json::Value) -> Answer {
        match self.shared.config.snapshot().await {
            Some(snapshot) => json(&view(&snapshot)),
            None => text(StatusCode::SERVICE_UNAVAILABLE, "the control thread does not answer\n"),
        }
    }

    /// What would become of a request.
    async fn explain(&self, body: Incoming) -> Answer {
        if let Entrance::Bound(_) = self.shared.settings.entrance {
            return text(StatusCode::NOT_IMPLEMENTED, "only a sidecar explains: here connections come by listeners\n");
        }
        let body = match Limited::new(body, QUESTION).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => return text(StatusCode::BAD_REQUEST, format!("the question cannot be read: {error}\n")),
        };
        let question = match serde_json::from_slice(&body) {
            Ok(question) => question,
            Err(error) => return text(StatusCode::BAD_REQUEST, format!("the question is not understood: {error}\n")),
        };
        let Some(worker) = self.workers.first() else {
            return text(StatusCode::SERVICE_UNAVAILABLE, "there is no worker\n");
        };
        match worker.explain(question).await {
            Some(Ok(explanation)) => json(&serde_json::json!(explanation)),
            Some(Err(wrong)) => text(StatusCode::BAD_REQUEST, format!("{wrong}\n")),
            None => text(StatusCode::SERVICE_UNAVAILABLE, "the worker does not answer\n"),
        }
    }

    /// Changes the log level.
    fn logging(&self, query: &str) -> Answer {
        let Some(level) = query.split('&').find_map(|pair| pair.strip_prefix("level=")) else {
            return text(StatusCode::BAD_REQUEST, "expected /logging?level=info\n");
        };
        match self.log.set(&level.replace("%3D", "=").replace("%2C", ",")) {
            Ok(()) => text(StatusCode::OK, format!("log level is {level}\n")),
            Err(error) => text(StatusCode::BAD_REQUEST, format!("{error}\n")),
        }
    }
}

/// An answer.
fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}

/// An answer for people.
fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    answer(status, TEXT, body)
}

/// An answer for programs.
fn json(value: &serde_json::Value) -> Answer {
    answer(StatusCode::OK, JSON, format!("{value:#}\n"))
}
