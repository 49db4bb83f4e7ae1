//! Commands in a pod, run by the caller: the answer is what the caller needs to enter the pod's namespaces, so the
//! command has the caller's own terminal, and nothing is copied in between.
//!
//! ```text
//! caller: POST … ► 101 ◄ runner       caller: one byte ► ExecContext line and file descriptors (SCM_RIGHTS) ◄ runner
//! ```
//!
//! The byte says that the caller has read the head of the answer: descriptors would be lost on a reader that buffers.

use std::{
    io::{IoSlice, Read},
    mem::MaybeUninit,
    os::{fd::AsFd, unix::net::UnixStream},
    sync::Arc,
};

use axum::{
    body::Body,
    extract::{Path, Query, Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use hyper_util::rt::TokioIo;
use leno_api::runner::ExecContext;
use leno_model::WorkloadName;
use leno_runtime::task::spawn;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde::Deserialize;

use super::refuse;
use crate::{runner::Runner, sandbox::namespace::Namespaces};

/// Beside which container the command runs; the first one when nothing is said.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Choice {
    container: Option<String>,
}

pub(super) async fn exec(
    State(runner): State<Arc<Runner>>,
    Path((namespace, pod)): Path<(String, String)>,
    Query(choice): Query<Choice>,
    request: Request,
) -> Response {
    let name = WorkloadName::new(namespace, pod);
    let (context, namespaces) = match context(&runner, &name, choice.container.as_deref()) {
        Ok(context) => context,
        Err(message) => return refuse(StatusCode::NOT_FOUND, message),
    };
    spawn(async move {
        let Ok(upgraded) = hyper::upgrade::on(request).await else { return };
        let Ok(parts) = upgraded.downcast::<TokioIo<tokio::net::UnixStream>>() else { return };
        let early = !parts.read_buf.is_empty();
        let Ok(stream) = parts.io.into_inner().into_std() else { return };
        let sent = tokio::task::spawn_blocking(move || send(stream, early, &context, &namespaces));
        // A caller that has gone away needs no answer.
        sent.await.ok();
    });
    let head = [(header::CONNECTION, "upgrade"), (header::UPGRADE, "leno-exec")];
    (StatusCode::SWITCHING_PROTOCOLS, head, Body::empty()).into_response()
}

fn context(runner: &Runner, pod: &WorkloadName, named: Option<&str>) -> Result<(ExecContext, Namespaces), String> {
    let found = runner.with_pod(pod, |record| {
        let spec = &record.pod.spec;
        let all = || spec.containers.iter().chain(&spec.init_containers);
        let container = named.map_or_else(|| all().next(), |name| all().find(|container| container.name == name));
        let names: Vec<_> = all().map(|container| container.name.clone()).collect();
        (record.place.clone(), container.cloned(), names)
    });
    let (place, container, names) = found.ok_or_else(|| format!("pod {pod} not found"))?;
    let place = place.ok_or_else(|| format!("pod {pod} has no network yet"))?;
    let container = container.ok_or_else(|| format!("pod {pod} has no such container; it has {}", names.join(", ")))?;
    let process = runner.process_of(pod, &container)?;
    let namespaces = place.namespaces().map_err(|error| format!("namespaces of pod {pod}: {error}"))?;
    let context = ExecContext {
        namespaces: namespaces.fds.iter().map(|(name, _)| (*name).to_owned()).collect(),
        environment: process.environment.into_pairs(),
        directory: process.directory.to_string_lossy().into_owned(),
    };
    Ok((context, namespaces))
}

fn send(mut stream: UnixStream, early: bool, context: &ExecContext, namespaces: &Namespaces) -> std::io::Result<()> {
    stream.set_nonblocking(false)?;
    if !early {
        stream.read_exact(&mut [0])?;
    }
    let mut line = serde_json::to_vec(context)?;
    line.push(b'\n');
    let fds: Vec<_> = namespaces.fds.iter().map(|(_, fd)| fd.as_fd()).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&fds));
    let sent = sendmsg(&stream, &[IoSlice::new(&line)], &mut ancillary, SendFlags::NOSIGNAL)?;
    std::io::Write::write_all(&mut stream, &line[sent..])
}
