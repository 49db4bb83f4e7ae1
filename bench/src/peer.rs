//! The data planes: how a pair of each is started.

use std::{fs, path::Path, process::Command};

use crate::{
    config::{self, Carries, Hop},
    load::Job,
    process::Process,
};

/// A data plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Leno,
    Envoy,
    HaProxy,
}

impl Peer {
    pub(crate) const ALL: [Self; 3] = [Self::Leno, Self::Envoy, Self::HaProxy];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Leno => "leno",
            Self::Envoy => "envoy",
            Self::HaProxy => "haproxy",
        }
    }

    fn program(self) -> String {
        match self {
            Self::Leno => top("target/release/leno-proxy"),
            // Where the tests install it; otherwise by the search path.
            Self::Envoy => Some(top("target/venv/bin/envoy"))
                .filter(|path| fs::exists(path).unwrap_or(false))
                .unwrap_or_else(|| "envoy".to_owned()),
            Self::HaProxy => "haproxy".to_owned(),
        }
    }

    /// What it says it is.
    pub(crate) fn version(self) -> String {
        let flag = if self == Self::HaProxy { "-v" } else { "--version" };
        let output = Command::new(self.program()).arg(flag).output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
        let line = text.lines().next().unwrap_or("not there").trim();
        // Where it stands is nobody's business.
        line.rsplit_once("version: ").map_or(line, |(_, version)| version).to_owned()
    }

    /// Whether it can do the job as the others do it.
    pub(crate) fn does(self, job: Job) -> bool {
        // Its log goes to a syslog server, which the others do not need.
        !(self == Self::HaProxy && job == Job::SmallLogged)
    }

    /// Starts both hops.
    pub(crate) fn start(self, folder: &Path, job: Job) -> anyhow::Result<[Process; 2]> {
        let [outbound, inbound] = Job::hops();
        // The inner one first: who listens before its next hop does not hurry to it.
        let inner = self.hop(folder, Hop::Inbound, inbound, job)?;
        Ok([self.hop(folder, Hop::Outbound, outbound, job)?, inner])
    }

    fn hop(self, folder: &Path, hop: Hop, port: u16, job: Job) -> anyhow::Result<Process> {
        let log = job == Job::SmallLogged;
        let text = match self {
            Self::Leno => config::envoy(folder, hop, job.carries(), "leno-http/1.1, leno-h2, leno-tcp", log),
            Self::Envoy => {
                let alpn = if job.carries() == Carries::Http2 { "h2" } else { "http/1.1" };
                config::envoy(folder, hop, job.carries(), alpn, log)
            }
            Self::HaProxy => config::haproxy(folder, hop, job.carries()),
        };
        let file = folder.join(format!("{}-{hop:?}.yaml", self.name()));
        fs::write(&file, text)?;
        let mut command = Command::new(self.program());
        match self {
            Self::Leno => command.arg("--config-path").arg(&file).args(["--concurrency", "1", "--log-level", "warn"]),
            Self::Envoy => command.arg("--config-path").arg(&file).args([
                "--concurrency",
                "1",
                "--log-level",
                "warn",
                "--disable-hot-restart",
            ]),
            Self::HaProxy => command.args(["-db", "-f"]).arg(&file),
        };
        Process::start(&format!("{} {hop:?}", self.name()), &mut command, &[port])
    }
}

/// A path from the top of the tree.
pub(crate) fn top(path: &str) -> String {
    format!("{}/../{path}", env!("CARGO_MANIFEST_DIR"))
}
