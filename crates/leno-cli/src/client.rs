//! Talking to a running mesh over its control socket.

use std::{io, time::Duration};

use anyhow::{Context, anyhow, bail};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use leno_api::runner::{Event, MeshView, Refused};
use leno_runtime::task::spawn;
use serde::{Serialize, de::DeserializeOwned};
use tokio::net::UnixStream;

use crate::sandbox;

/// The most that an answer may be.
const LARGEST: usize = 64 << 20;

/// A running mesh.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    mesh: String,
}

/// Runs a command's asynchronous part.
///
/// # Errors
/// Those of the part, and when there is no runtime to be had.
pub(crate) fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    runtime.block_on(work)
}

/// A connection to the mesh of this name.
///
/// # Errors
/// When no such mesh runs, in words for people.
pub(crate) fn connect(mesh: &str) -> anyhow::Result<std::os::unix::net::UnixStream> {
    sandbox::connect(mesh).map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => {
            anyhow!("no mesh named {mesh:?} runs; start one with `leno up PATH`, or name another with --mesh")
        }
        _ => anyhow!(error).context(format!("connect to mesh {mesh}")),
    })
}

impl Client {
    /// The mesh of this name.
    pub(crate) fn new(mesh: &str) -> Self {
        Self { mesh: mesh.to_owned() }
    }

    async fn send(&self, method: Method, path: &str, body: Vec<u8>) -> anyhow::Result<Response<Incoming>> {
        let stream = connect(&self.mesh)?;
        stream.set_nonblocking(true)?;
        let stream = TokioIo::new(UnixStream::from_std(stream)?);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
        spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "leno")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))?;
        let response = sender.send_request(request).await.context("the mesh does not answer")?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(refusal(response).await.into())
    }

    /// Asks for something.
    ///
    /// # Errors
    /// When the mesh does not run or refuses.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        parse(self.send(Method::GET, path, Vec::new()).await?).await
    }

    /// Asks for something to be done.
    ///
    /// # Errors
    /// When the mesh does not run or refuses.
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> anyhow::Result<T> {
        parse(self.send(Method::POST, path, serde_json::to_vec(body)?).await?).await
    }

    /// Tells the mesh to stop.
    ///
    /// # Errors
    /// When the mesh does not run.
    pub(crate) async fn shutdown(&self) -> anyhow::Result<()> {
        self.send(Method::POST, "/v1/shutdown", Vec::new()).await.map(drop)
    }

    /// Waits until nothing of the mesh is left.
    pub(crate) async fn gone(&self) {
        // There is nobody left who could tell.
        while connect(&self.mesh).is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Why the mesh is not ready, for people: the pods that are not, and what is wrong with what was written.
    pub(crate) async fn unready(&self, after: Duration) -> String {
        let view = self.get::<MeshView>("/v1/mesh").await.unwrap_or_default();
        let mut text = format!("not ready after {} s", after.as_secs());
        for pod in view.pods.iter().filter(|pod| pod.ready < pod.containers) {
            text.push_str(&format!("\n  pod {}/{} {} {}", pod.namespace, pod.name, pod.status, pod.message));
        }
        for problem in &view.invalid {
            text.push_str(&format!("\n  {problem}"));
        }
        text
    }

    /// Reads an answer as it comes.
    ///
    /// # Errors
    /// When the mesh does not run or refuses.
    pub(crate) async fn stream(&self, path: &str) -> anyhow::Result<Chunks> {
        Ok(Chunks(self.send(Method::GET, path, Vec::new()).await?.into_body()))
    }

    /// Follows what happens.
    ///
    /// # Errors
    /// When the mesh does not run.
    pub(crate) async fn events(&self, since: u64) -> anyhow::Result<EventReader> {
        let chunks = self.stream(&format!("/v1/events?follow=true&since={since}")).await?;
        Ok(EventReader { chunks, pending: Vec::new() })
    }
}

async fn parse<T: DeserializeOwned>(response: Response<Incoming>) -> anyhow::Result<T> {
    let body = Limited::new(response.into_body(), LARGEST).collect().await;
    let body = body.map_err(|error| anyhow!(error)).context("the answer is cut off")?.to_bytes();
    serde_json::from_slice(&body).context("the answer is not understood")
}

/// Why the mesh refused.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(crate) struct Refusal {
    /// The status of its answer.
    pub(crate) status: StatusCode,
    text: String,
}

async fn refusal(response: Response<Incoming>) -> Refusal {
    let status = response.status();
    let text = match parse::<Refused>(response).await {
        Ok(refused) if refused.invalid.is_empty() => refused.message,
        Ok(refused) => {
            let invalid: Vec<String> = refused.invalid.iter().map(ToString::to_string).collect();
            format!("{}\n{}", invalid.join("\n"), refused.message)
        }
        Err(_) => format!("the mesh answers {status}"),
    };
    Refusal { status, text }
}

/// An answer as it comes.
pub(crate) struct Chunks(Incoming);

impl Chunks {
    /// The next piece; `None` at the end. May be cancelled and called again.
    ///
    /// # Errors
    /// When the connection breaks.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<Bytes>> {
        while let Some(frame) = self.0.frame().await {
            if let Ok(data) = frame?.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}

/// Events as they happen.
pub(crate) struct EventReader {
    chunks: Chunks,
    pending: Vec<u8>,
}

impl EventReader {
    /// The next event; `None` when the mesh has stopped. May be cancelled and called again.
    ///
    /// # Errors
    /// When the connection breaks or an event is not understood.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<Event>> {
        loop {
            if let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
                let event = serde_json::from_slice(&self.pending[..end]).context("an event is not understood")?;
                self.pending.drain(..=end);
                return Ok(Some(event));
            }
            match self.chunks.next().await? {
                Some(chunk) => self.pending.extend_from_slice(&chunk),
                None if self.pending.is_empty() => return Ok(None),
                None => bail!("the last event is cut off"),
            }
        }
    }
}

/// A value as part of a query.
pub(crate) fn query(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
