//! Leno's data path beside Envoy, HAProxy and nginx: the same jobs, the same certificates, in one interleaved run.
//!
//! ```text
//! load ─► outbound hop ══ mutual TLS 1.3, identities checked ══► inbound hop, access rules ─► application
//! ```
//!
//! What holds from run to run on a shared machine is the processor time that the two processes used for a request;
//! ratios of one run are what to quote. One worker each.

mod certificate;
mod config;
mod job;
mod load;
mod measure;
mod peer;
mod process;
mod report;

use std::{path::PathBuf, process::Command};

use anyhow::Context as _;
use clap::Parser;

use self::{
    job::Job,
    peer::{Peer, top},
    process::Process,
    report::Report,
};

/// Measures Leno's data path beside other people's
#[derive(Parser)]
struct Arguments {
    /// Seconds for each measurement
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// How often each is measured; medians are reported
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// One short round, to see that everything works
    #[arg(long)]
    quick: bool,
    /// Measure the leno-proxy that is there, without building it
    #[arg(long)]
    no_build: bool,
    /// Only these data planes: leno, envoy, haproxy, nginx
    #[arg(long, value_delimiter = ',')]
    peers: Vec<String>,
    /// Where the report is written; only shown without it. Of a report that is there already, the sections of other
    /// jobs stay
    #[arg(long)]
    output: Option<PathBuf>,
    /// Only these jobs, by name
    jobs: Vec<String>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let (seconds, rounds) = if arguments.quick { (1, 1) } else { (arguments.seconds, arguments.rounds) };
    let named = |names: &[String], name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    let jobs: Vec<_> = Job::ALL.into_iter().filter(|job| named(&arguments.jobs, job.name())).collect();
    let peers: Vec<_> = Peer::ALL.into_iter().filter(|peer| named(&arguments.peers, peer.name())).collect();
    anyhow::ensure!(!jobs.is_empty() && !peers.is_empty(), "no such job or data plane");
    if !arguments.no_build {
        let mut cargo = Command::new("cargo");
        let built = cargo.args(["build", "--release", "-p", "leno-proxy"]).current_dir(top("")).status()?;
        anyhow::ensure!(built.success(), "leno-proxy does not build");
    }
    let folder = tempfile::tempdir()?;
    certificate::write(folder.path())?;
    let file = folder.path().join("nginx.conf");
    std::fs::write(&file, config::application(folder.path())?)?;
    let mut nginx = Command::new("nginx");
    nginx.args(["-e", "stderr", "-p"]).arg(folder.path()).arg("-c").arg(&file);
    let _application = Process::start("nginx", &mut nginx, &[config::APPLICATION, config::APPLICATION_H2])?;
    let mut report = Report::new(&peers, seconds, rounds);
    for round in 0..rounds {
        for job in &jobs {
            measure::direct(*job, folder.path(), seconds, &mut report)?;
            for turn in 0..peers.len() {
                let peer = peers.get((turn + round) % peers.len()).copied().context("a peer")?;
                if peer.does(*job) {
                    measure::hops(*job, peer, folder.path(), seconds, &mut report)
                        .with_context(|| format!("{} with {}", job.name(), peer.name()))?;
                }
            }
        }
    }
    let text = report.text(&jobs);
    report::show(&text);
    if let Some(path) = arguments.output {
        let before = std::fs::read_to_string(&path).unwrap_or_default();
        let text = report::merged(&before, &text);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
