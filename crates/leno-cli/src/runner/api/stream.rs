//! What is read as it comes: events and logs.

use std::{convert::Infallible, sync::Arc};

use axum::{
    body::Body,
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::stream;
use leno_api::runner::{Event, Happening};
use leno_model::WorkloadName;
use serde::Deserialize;

use super::refuse;
use crate::runner::{Runner, control, logs::Log, pod::SIDECAR};

/// Which events are wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct EventChoice {
    follow: bool,
    since: u64,
}

/// The events, one JSON object a line; ends after the last one when they are followed.
pub(super) async fn events(State(runner): State<Arc<Runner>>, Query(choice): Query<EventChoice>) -> Response {
    let reader = runner.events.reader();
    let since = choice.since.min(runner.events.newest());
    let next = move |(runner, since, ended, reader): (Arc<Runner>, u64, bool, Arc<()>)| async move {
        if ended {
            return None;
        }
        if choice.follow {
            runner.events.wait(since).await;
        }
        let events = runner.events.since(since);
        let since = events.last().map_or(since, |event| event.sequence);
        let stopped = events.iter().any(|event: &Event| event.what == Happening::Stopped);
        let mut text = Vec::new();
        for event in &events {
            serde_json::to_writer(&mut text, event).ok()?;
            text.push(b'\n');
        }
        Some((Ok::<_, Infallible>(Bytes::from(text)), (runner, since, stopped || !choice.follow, reader)))
    };
    let body = Body::from_stream(stream::unfold((runner, since, false, reader), next));
    ([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}

/// Which output is wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LogChoice {
    container: Option<String>,
    follow: bool,
    previous: bool,
    tail: Option<u64>,
}

/// The output of a container. Following goes on over restarts of the container, until the pod is gone.
pub(super) async fn logs(
    State(runner): State<Arc<Runner>>,
    Path((namespace, pod)): Path<(String, String)>,
    Query(choice): Query<LogChoice>,
) -> Response {
    let mut name = WorkloadName::new(namespace, pod);
    if name.name == control::LOG {
        name = control::log_name();
    }
    let container = match container(&runner, &name, choice.container.as_deref()) {
        Ok(container) => container,
        Err(message) => return refuse(StatusCode::NOT_FOUND, message),
    };
    let Some(log) = runner.logs.of(&name, &container, choice.previous) else {
        let which = if choice.previous { "previous run" } else { "output" };
        return refuse(StatusCode::NOT_FOUND, format!("container {container} of pod {name} has no {which} yet"));
    };
    let from = choice.tail.map_or(0, |tail| log.tail(tail));
    let reader = Reader { runner, name, container, log, from, follow: choice.follow, done: false };
    let body = Body::from_stream(stream::unfold(reader, |mut reader| async move {
        let text = reader.next().await?;
        Some((Ok::<_, Infallible>(text), reader))
    }));
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response()
}

/// The container that is meant: the only one, the first one, or the named one (`proxy` is the sidecar).
fn container(runner: &Runner, pod: &WorkloadName, named: Option<&str>) -> Result<String, String> {
    if *pod == control::log_name() {
        return Ok(control::LOG.into());
    }
    let containers = runner.with_pod(pod, |record| {
        let spec = &record.pod.spec;
        let main = spec.containers.iter().map(|container| container.name.clone());
        main.chain(spec.init_containers.iter().map(|container| container.name.clone())).collect::<Vec<_>>()
    });
    let containers = containers.ok_or_else(|| format!("pod {pod} not found"))?;
    let name = match named {
        Some("proxy") if !containers.iter().any(|it| it == "proxy") => SIDECAR,
        Some(name) => name,
        None => containers.first().map_or("", String::as_str),
    };
    if containers.iter().any(|it| it == name) {
        return Ok(name.to_owned());
    }
    Err(format!("pod {pod} has no container {name:?}; it has {}", containers.join(", ")))
}

struct Reader {
    runner: Arc<Runner>,
    name: WorkloadName,
    container: String,
    log: Arc<Log>,
    from: u64,
    follow: bool,
    done: bool,
}

impl Reader {
    async fn next(&mut self) -> Option<Bytes> {
        while !self.done {
            let (lines, next) = self.log.since(self.from);
            self.from = next;
            self.done = !self.follow;
            if !lines.is_empty() || self.done {
                return Some(lines.concat().into());
            }
            if !self.log.wait(next).await && !self.next_run().await {
                return None;
            }
        }
        None
    }

    /// Goes on with the next run of the container; false when there will be none.
    async fn next_run(&mut self) -> bool {
        loop {
            let changed = self.runner.changes();
            match self.runner.logs.of(&self.name, &self.container, false) {
                None => return false,
                Some(log) if !Arc::ptr_eq(&log, &self.log) => {
                    (self.log, self.from) = (log, 0);
                    return true;
                }
                Some(_) => {}
            }
            changed.await;
        }
    }
}
