//! The API of a running mesh; `leno_api::runner` has its table.

mod exec;
mod object;
mod stream;

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use leno_api::runner::{Calls, MeshView, Refused, Resolved};
use leno_model::{ServiceName, WorkloadName};
use leno_runtime::task::spawn;

use super::{Runner, control, scrape};
use crate::sandbox::ControlListener;

/// Answers until the mesh ends.
pub(crate) async fn serve(runner: Arc<Runner>, listener: ControlListener) {
    let router = Router::new()
        .route("/v1/mesh", get(mesh))
        .route("/v1/objects", get(object::list))
        .route("/v1/apply", post(object::apply))
        .route("/v1/replace", post(object::replace))
        .route("/v1/delete", post(object::delete))
        .route("/v1/calls/{namespace}/{service}", get(calls))
        .route("/v1/events", get(stream::events))
        .route("/v1/logs/{namespace}/{pod}", get(stream::logs))
        .route("/v1/exec/{namespace}/{pod}", post(exec::exec))
        .route("/v1/control/{*path}", get(ask_control))
        .route("/v1/admin/{namespace}/{pod}/{*path}", get(ask_sidecar))
        .route("/v1/explain/{namespace}/{pod}", post(explain))
        .route("/v1/resolve/{namespace}/{host}", get(resolve))
        .route("/v1/shutdown", post(shutdown))
        .layer(axum::extract::DefaultBodyLimit::max(64 << 20))
        .with_state(runner);
    while let Ok(stream) = listener.accept().await {
        let service = TowerToHyperService::new(router.clone());
        spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // A client that goes away is its own business.
            connection.with_upgrades().await.ok();
        });
    }
}

/// An answer that says why not.
pub(crate) fn refuse(status: StatusCode, message: impl Into<String>) -> Response {
    (status, Json(Refused { message: message.into(), invalid: Vec::new() })).into_response()
}

async fn mesh(State(runner): State<Arc<Runner>>) -> Json<MeshView> {
    let mut view = runner.read(super::state::State::view);
    view.name.clone_from(&runner.settings.mesh);
    view.uptime_seconds = runner.started.elapsed().as_secs();
    let traffic = runner.traffic.traffic();
    for service in &mut view.services {
        service.traffic = traffic.get(&ServiceName::new(&service.namespace, &service.name)).copied();
    }
    Json(view)
}

async fn calls(State(runner): State<Arc<Runner>>, Path((namespace, service)): Path<(String, String)>) -> Json<Calls> {
    Json(scrape::calls(&runner, &ServiceName::new(namespace, service)).await)
}

async fn ask_control(Path(path): Path<String>) -> Response {
    passed_on(control::ask(&format!("/{path}")).await)
}

async fn ask_sidecar(
    State(runner): State<Arc<Runner>>,
    Path((namespace, pod, path)): Path<(String, String, String)>,
) -> Response {
    passed_on(scrape::ask_sidecar(&runner, &WorkloadName::new(namespace, pod), &format!("/{path}")).await)
}

async fn explain(
    State(runner): State<Arc<Runner>>,
    Path((namespace, pod)): Path<(String, String)>,
    question: bytes::Bytes,
) -> Response {
    match scrape::explain(&runner, &WorkloadName::new(namespace, pod), question).await {
        Ok((status, body)) if !status.is_success() => refuse(status, String::from_utf8_lossy(&body).trim()),
        answer => passed_on(answer),
    }
}

async fn resolve(State(runner): State<Arc<Runner>>, Path((namespace, host)): Path<(String, String)>) -> Json<Resolved> {
    let (name, addresses) = runner.sandbox.resolve(&namespace, &host).await;
    Json(Resolved { name, addresses })
}

fn passed_on(answer: Result<(StatusCode, bytes::Bytes), String>) -> Response {
    match answer {
        Ok((status, body)) => (status, [(header::CONTENT_TYPE, "application/json")], Body::from(body)).into_response(),
        Err(message) => refuse(StatusCode::BAD_GATEWAY, message),
    }
}

async fn shutdown(State(runner): State<Arc<Runner>>) -> StatusCode {
    runner.shutdown.send_replace(true);
    StatusCode::ACCEPTED
}
