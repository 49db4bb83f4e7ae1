//! The control plane: `leno control` as a child, started again should it end, and asked what it knows.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddr},
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Method, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use leno_api::{control::ProxyStatus, runner::Happening};
use leno_model::{Invalid, WorkloadName};
use leno_runtime::task::spawn;
use leno_source::status::{Note, Status};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    process::{Child, Command},
};

use super::{Runner, clock};
use crate::sandbox::GATEWAY;

/// The port of xDS and certificate signing.
pub(crate) const XDS_PORT: u16 = 15012;
/// The port of the control plane's own API, on the mesh's loopback.
const API: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 15080);
/// The name under which its output is kept.
pub(crate) const LOG: &str = "leno-control";
/// The most that its answers may be.
const LARGEST: usize = 64 << 20;
/// How long a terminating pod waits for sidecars that do not acknowledge that it leaves.
const PATIENCE: Duration = Duration::from_secs(2);

/// Under which name the control plane's output is kept among the pods'.
pub(crate) fn log_name() -> WorkloadName {
    WorkloadName::new("", LOG)
}

/// Keeps the control plane running until the mesh ends.
pub(crate) async fn run(runner: Arc<Runner>) {
    let mut backoff = super::pod::backoff::Backoff::default();
    // Its first certificates must be of the lifetime that is asked for: it starts once the objects are there to read.
    runner.shown.subscribe().wait_for(Option::is_some).await.ok();
    loop {
        let started = Instant::now();
        let mut child = match start(&runner) {
            Ok(child) => child,
            Err(error) => {
                runner.events.tell(Happening::Control { message: format!("cannot be started: {error}"), ready: false });
                return;
            }
        };
        let log = runner.logs.begin(&log_name(), LOG);
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        spawn(async move {
            let out = async {
                if let Some(stdout) = stdout {
                    log.drain(stdout).await
                }
            };
            let err = async {
                if let Some(stderr) = stderr {
                    log.drain(stderr).await
                }
            };
            tokio::join!(out, err);
            log.finish();
        });
        let status = tokio::select! {
            status = child.wait() => status,
            () = await_ready(&runner) => child.wait().await,
        };
        runner.edit(|state| state.control_ready = false);
        if *runner.shutdown.borrow() {
            return;
        }
        let end = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        let message = format!("ended ({end}); traffic goes on with what the sidecars know; starting it again");
        runner.events.tell(Happening::Control { message, ready: false });
        tokio::time::sleep(backoff.next(started.elapsed())).await;
    }
}

fn start(runner: &Runner) -> std::io::Result<Child> {
    let level = runner.read(|state| state.mesh_config().map(|mesh| mesh.to_model().log_level));
    let mut command = Command::new(&runner.executable);
    command.args(["control", "--source"]).arg(runner.objects_directory());
    command.arg("--ca-dir").arg(runner.ca_directory());
    command.arg("--workload-jwks").arg(runner.tokens.key_set_file());
    command.args(["--xds-address", &format!("{GATEWAY}:{XDS_PORT}")]);
    command.args(["--metrics-address", &format!("{GATEWAY}:15014")]);
    command.args(["--api-address", &API.to_string()]);
    command.args(["--log-level", &level.unwrap_or_else(|| "info".into())]);
    command.env_clear().envs(runner.settings.environment.clone());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.kill_on_drop(true).spawn()
}

/// Waits until the control plane answers, and says so.
async fn await_ready(runner: &Runner) {
    let mut wait = Duration::from_millis(5);
    while ask("/api/mesh").await.is_err() || !runner.root_certificate().exists() {
        tokio::time::sleep(wait).await;
        wait = (wait * 3 / 2).min(Duration::from_millis(200));
    }
    runner.edit(|state| {
        state.control_ready = true;
        state.control_started = true;
    });
    runner.events.tell(Happening::Control { message: "ready".into(), ready: true });
}

/// Asks the control plane's API.
///
/// # Errors
/// Why there is no answer.
pub(crate) async fn ask(path: &str) -> Result<(StatusCode, Bytes), String> {
    let stream =
        TcpStream::connect(API).await.map_err(|error| format!("the control plane does not answer: {error}"))?;
    request(stream, Method::GET, path, Bytes::new()).await
}

/// One HTTP request over a connection of its own.
///
/// # Errors
/// Why there is no answer.
pub(crate) async fn request(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<(StatusCode, Bytes), String> {
    let text = |error: hyper::Error| error.to_string();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(text)?;
    let connection = spawn(connection);
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("host", "leno")
        .header("connection", "close")
        .body(Full::new(body))
        .map_err(|error| error.to_string())?;
    let response = sender.send_request(request).await.map_err(text)?;
    let status = response.status();
    let body = Limited::new(response.into_body(), LARGEST).collect().await.map_err(|error| error.to_string())?;
    connection.abort();
    Ok((status, body.to_bytes()))
}

/// Waits until no sidecar lags behind the control plane, for a bounded time: what was written before this call is then
/// in force everywhere.
pub(crate) async fn proxies_told(runner: &Runner) {
    // The control plane needs a moment to see the change itself: inotify, and its own pause for gathering changes.
    tokio::time::sleep(Duration::from_millis(150)).await;
    let lagging = async {
        let mut wait = Duration::from_millis(20);
        while runner.read(|state| state.control_ready) && any_stale().await {
            tokio::time::sleep(wait).await;
            wait = (wait * 3 / 2).min(Duration::from_millis(200));
        }
    };
    tokio::time::timeout(PATIENCE, lagging).await.ok();
}

/// Whether any connected sidecar has not acknowledged what it was sent.
async fn any_stale() -> bool {
    let Ok((StatusCode::OK, body)) = ask("/api/proxies").await else { return false };
    let Ok(proxies) = serde_json::from_slice::<Vec<ProxyStatus>>(&body) else { return false };
    proxies.iter().any(|proxy| proxy.connected && proxy.stale)
}

/// Asks again and again what the control plane finds wrong with the objects, until the mesh ends.
pub(crate) async fn watch_objects(runner: Arc<Runner>) {
    let mut told = BTreeSet::new();
    let mut before = BTreeSet::new();
    loop {
        if runner.read(|state| state.control_ready)
            && let Ok((StatusCode::OK, body)) = ask("/api/objects/status").await
            && let Ok(status) = serde_json::from_slice::<Status>(&body)
        {
            let now = clock::now_text();
            runner.write(|state| state.routes.update(status.routes.clone(), &now));
            let problems = problems(&status);
            if runner.read(|state| state.object_problems != problems) {
                runner.edit(|state| state.object_problems = problems);
            }
            if !runner.read(|state| state.standings.are(&status.attachments)) {
                runner.edit(|state| state.standings.replace(status.attachments.clone()));
            }
            // What is still so at the second look is no matter of objects that are just being made.
            let notes: BTreeSet<String> = status.notes.iter().map(note).collect();
            for note in notes.intersection(&before).filter(|note| told.insert((*note).clone())) {
                runner.events.warn(note.clone());
            }
            told.retain(|note| notes.contains(note));
            before = notes;
        }
        let changed = runner.changes();
        tokio::select! {
            () = changed => tokio::time::sleep(Duration::from_millis(300)).await,
            () = tokio::time::sleep(Duration::from_secs(2)) => {}
        }
    }
}

/// What is wrong, without the places: they are those of the mirror's files, which nobody wrote.
fn problems(status: &Status) -> Vec<String> {
    let text = |invalid: &Invalid| Invalid { location: None, ..invalid.clone() }.to_string();
    status.invalid.iter().map(text).collect()
}

fn note(note: &Note) -> String {
    Note { location: None, ..note.clone() }.to_string()
}
