//! The JSON API on port 15080; [`leno_api::control`] has its table.

mod config;
mod proxy;

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use leno_api::control::{MeshSummary, Problem, ProxyStatus};
use leno_model::WorkloadName;

use crate::wire::Control;

/// The port's paths.
pub(crate) fn router(control: Control) -> Router {
    Router::new()
        .route("/api/proxies", get(proxies))
        .route("/api/config/{namespace}/{pod}", get(config))
        .route("/api/objects/status", get(objects))
        .route("/api/mesh", get(mesh))
        .fallback(async || problem(StatusCode::NOT_FOUND, "there is no such path".into()))
        .with_state(control)
}

async fn proxies(State(control): State<Control>) -> Json<Vec<ProxyStatus>> {
    Json(proxy::list(&control))
}

async fn config(State(control): State<Control>, Path((namespace, pod)): Path<(String, String)>) -> Response {
    let workload = WorkloadName::new(namespace, pod);
    match config::of(&control, &workload) {
        Some(config) => Json(config).into_response(),
        None => problem(StatusCode::NOT_FOUND, format!("no proxy of {workload} is connected")),
    }
}

async fn objects(State(control): State<Control>) -> Response {
    let status = Arc::clone(&control.statuses.borrow());
    Json(&*status).into_response()
}

async fn mesh(State(control): State<Control>) -> Json<MeshSummary> {
    let snapshot = control.mesh.snapshot();
    let invalid = control.statuses.borrow().invalid.len();
    Json(MeshSummary {
        control_version: env!("CARGO_PKG_VERSION").into(),
        version: snapshot.version,
        trust_domain: snapshot.mesh.trust_domain.to_string(),
        services: snapshot.services.len(),
        workloads: snapshot.workloads.len(),
        meshed: snapshot.workloads.values().filter(|workload| workload.meshed).count(),
        streams: control.ads.board().len(),
        invalid,
    })
}

fn problem(status: StatusCode, message: String) -> Response {
    (status, Json(Problem { message })).into_response()
}

/// Seconds since 1970.
fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
