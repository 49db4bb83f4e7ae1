//! Load, and what comes of it.

pub(crate) mod idle;
mod open_loop;
mod program;
mod tls;

use std::path::Path;

use self::{
    program::{grpc, h2load, iperf, script, wrk},
    tls::Sessions,
};
use crate::{
    config::{HOSTS, OUTBOUND, ROUTES},
    job::Job,
};

/// Requests a second of the open loop, and its connections.
const RATE: (u32, usize) = (2000, 16);

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    /// Requests, connections, or bytes.
    pub(crate) units: f64,
    /// Units per second.
    pub(crate) rate: f64,
    /// Latency in microseconds, where it is measured.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
}

/// Who is loaded.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target<'a> {
    /// The application itself.
    Direct,
    /// The two hops, which know HTTP/1.1 by this name.
    Hops { alpn: &'a str },
}

/// Does a job for so many seconds; `None` where there is nothing to do.
pub(crate) fn run(job: Job, target: Target<'_>, folder: &Path, seconds: u64) -> anyhow::Result<Option<Outcome>> {
    let port = match target {
        Target::Direct => job.direct(),
        Target::Hops { .. } => OUTBOUND,
    };
    let url = |path: &str| format!("http://127.0.0.1:{port}/{path}");
    let outcome = match (job, target) {
        (Job::Small | Job::SmallLogged, _) => wrk(&["-c32"], &url("1k"), seconds)?,
        (Job::Routes, _) => {
            let host = format!("Host: h{}.bench", HOSTS - 1);
            wrk(&["-c32", "-H", &host], &url(&format!("v{}/1k", ROUTES - 1)), seconds)?
        }
        (Job::Large, _) => wrk(&["-c32"], &url("64k"), seconds)?,
        (Job::Post, _) => wrk(&["-c32", "-s", &script("post.lua")], &url("post"), seconds)?,
        (Job::Rate, _) => open_loop::run(port, "1k", RATE.0, RATE.1, seconds)?,
        (Job::Connections | Job::TcpConnections, _) => wrk(&["-c32", "-H", "Connection: close"], &url("1k"), seconds)?,
        (Job::Streams, _) => h2load(&url("1k"), seconds)?,
        (Job::Unary, _) => grpc(&url("bench.Bench/Unary"), &folder.join("unary"), seconds)?,
        (Job::Messages, _) => grpc(&url("bench.Bench/Messages"), &folder.join("messages"), seconds)?,
        (Job::Bytes, _) => iperf(port, seconds, false)?,
        (Job::BytesBack, _) => iperf(port, seconds, true)?,
        (Job::FullHandshakes, Target::Hops { alpn }) => tls::run(folder, alpn, Sessions::Full, seconds)?,
        (Job::ResumedHandshakes, Target::Hops { alpn }) => tls::run(folder, alpn, Sessions::Resumed, seconds)?,
        (Job::FullHandshakes | Job::ResumedHandshakes, Target::Direct) => return Ok(None),
        (Job::IdlePlain | Job::IdleTls | Job::Start, _) => return Ok(None),
    };
    Ok(Some(outcome))
}

/// So many connections of an idle job.
pub(crate) fn hold(job: Job, folder: &Path, alpn: &str, count: usize) -> anyhow::Result<Vec<idle::Held>> {
    match job {
        Job::IdleTls => idle::mutual_tls(folder, alpn, count),
        _ => idle::plain(OUTBOUND, count),
    }
}

/// The hop whose memory an idle job looks at: 0 is the outbound one.
pub(crate) fn held_by(job: Job) -> usize {
    usize::from(job == Job::IdleTls)
}

/// The value below which this share of all values is.
fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "values are few, and the share is between 0 and 1"
    )]
    let at = (values.len() as f64 * share) as usize;
    values.get(at.min(values.len().saturating_sub(1))).copied().unwrap_or_default()
}
