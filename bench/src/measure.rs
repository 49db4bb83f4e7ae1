//! One measurement: processes started for it, a job done, what it took.

use std::{path::Path, process::Command, thread, time::Duration};

use crate::{
    config::{BYTES, Hop},
    job::{Job, Kind},
    load::{self, Target, idle},
    peer::Peer,
    process::Process,
    report::{Report, Sample},
};

/// How long memory is given to settle.
const SETTLE: Duration = Duration::from_secs(2);

/// One job without a data plane, where there is something to compare with.
pub(crate) fn direct(job: Job, folder: &Path, seconds: u64, report: &mut Report) -> anyhow::Result<()> {
    let _server = server(job)?;
    if let Some(outcome) = load::run(job, Target::Direct, folder, seconds)? {
        report.add(job, None, Sample { outcome, ..Sample::default() });
    }
    Ok(())
}

/// One job with a data plane.
pub(crate) fn hops(job: Job, peer: Peer, folder: &Path, seconds: u64, report: &mut Report) -> anyhow::Result<()> {
    let _server = server(job)?;
    let sample = match job.kind() {
        Kind::Requests | Kind::Handshakes | Kind::Bytes => loaded(job, peer, folder, seconds)?,
        Kind::Idle => waiting(job, peer, folder)?,
        Kind::Start => started(job, peer, folder)?,
    };
    report.add(job, Some(peer), sample);
    Ok(())
}

/// What iperf3 sends to: it serves one test at a time.
fn server(job: Job) -> anyhow::Result<Option<Process>> {
    if job.kind() != Kind::Bytes {
        return Ok(None);
    }
    let mut iperf = Command::new("iperf3");
    iperf.args(["-s", "-B", "127.0.0.1", "-p", &BYTES.to_string()]);
    Process::start("iperf3", &mut iperf, &[BYTES]).map(Some)
}

/// What a job takes.
fn loaded(job: Job, peer: Peer, folder: &Path, seconds: u64) -> anyhow::Result<Sample> {
    let [outbound, inbound] = peer.start(folder, job)?;
    let before = outbound.memory()?;
    let target = Target::Hops { alpn: peer.http1() };
    if job.kind() != Kind::Bytes {
        // The first connections, and what is made once.
        load::run(job, target, folder, 1)?;
    }
    let cpu = (outbound.cpu()?, inbound.cpu()?);
    let outcome = load::run(job, target, folder, seconds)?.unwrap_or_default();
    let cpu = (outbound.cpu()? - cpu.0, inbound.cpu()? - cpu.1);
    let peak = outbound.memory()?.peak.max(inbound.memory()?.peak);
    Ok(Sample { outcome, cpu, before, peak, ..Sample::default() })
}

/// What connections take that wait.
fn waiting(job: Job, peer: Peer, folder: &Path) -> anyhow::Result<Sample> {
    let hops = peer.start(folder, job)?;
    let hop = &hops[load::held_by(job)];
    // What is made once for the first is there already.
    drop(load::hold(job, folder, peer.http1(), 1)?);
    settle();
    let before = hop.memory()?;
    let held = load::hold(job, folder, peer.http1(), idle::CONNECTIONS)?;
    settle();
    let after = hop.memory()?;
    drop(held);
    #[expect(clippy::cast_precision_loss, reason = "they are a thousand")]
    let each = (after.resident - before.resident) * 1024.0 / idle::CONNECTIONS as f64;
    Ok(Sample { before, peak: after.resident, each, ..Sample::default() })
}

/// What a start takes.
fn started(job: Job, peer: Peer, folder: &Path) -> anyhow::Result<Sample> {
    let hop = peer.hop(folder, Hop::Outbound, job)?;
    settle();
    let before = hop.memory()?;
    Ok(Sample { before, peak: before.peak, ready: hop.ready.as_secs_f64() * 1e3, ..Sample::default() })
}

/// Waits until memory is what it is going to be.
fn settle() {
    #[expect(clippy::disallowed_methods, reason = "nothing tells when an allocator is done")]
    thread::sleep(SETTLE);
}
