//! The data planes that are measured.

use std::{fs, path::Path, process::Command};

use crate::{
    config::{self, Carries, Hop, LogFormat, Setting},
    job::Job,
    process::Process,
};

/// A data plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Leno,
    Envoy,
    HaProxy,
    Nginx,
}

impl Peer {
    pub(crate) const ALL: [Self; 4] = [Self::Leno, Self::Envoy, Self::HaProxy, Self::Nginx];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Leno => "leno",
            Self::Envoy => "envoy",
            Self::HaProxy => "haproxy",
            Self::Nginx => "nginx",
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
            Self::Nginx => "nginx".to_owned(),
        }
    }

    /// What it says it is.
    pub(crate) fn version(self) -> String {
        let flag = match self {
            Self::Leno | Self::Envoy => "--version",
            Self::HaProxy | Self::Nginx => "-v",
        };
        let output = Command::new(self.program()).arg(flag).output();
        // nginx says it where others say what is wrong.
        let text = output.map(|output| [output.stdout, output.stderr].concat()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).trim().to_owned();
        let line = text.lines().next().unwrap_or("not there").trim();
        // Where it stands is nobody's business.
        line.rsplit_once("version: ").map_or(line, |(_, version)| version).to_owned()
    }

    /// Whether it can do the job as the others do it.
    pub(crate) fn does(self, job: Job) -> bool {
        // It speaks HTTP/1 to what is behind it, and passes bytes on with a module of its own only.
        self != Self::Nginx || job.carries() == Carries::Http
    }

    /// How its inbound hop knows HTTP/1.1.
    pub(crate) fn http1(self) -> &'static str {
        match self {
            Self::Leno => "leno-http/1.1",
            Self::Envoy | Self::HaProxy | Self::Nginx => "http/1.1",
        }
    }

    /// Starts both hops.
    pub(crate) fn start(self, folder: &Path, job: Job) -> anyhow::Result<[Process; 2]> {
        // The inner one first: who listens before its next hop does not hurry to it.
        let inner = self.hop(folder, Hop::Inbound, job)?;
        Ok([self.hop(folder, Hop::Outbound, job)?, inner])
    }

    /// Starts one hop.
    pub(crate) fn hop(self, folder: &Path, hop: Hop, job: Job) -> anyhow::Result<Process> {
        let log = job == Job::SmallLogged;
        let setting = Setting { hop, carries: job.carries(), log, routes: job == Job::Routes };
        let text = match self {
            Self::Leno => config::envoy(folder, setting, "leno-http/1.1, leno-h2, leno-tcp", LogFormat::Own),
            Self::Envoy => {
                let alpn = if job.carries() == Carries::Http2 { "h2" } else { "http/1.1" };
                config::envoy(folder, setting, alpn, LogFormat::Json)
            }
            Self::HaProxy => config::haproxy(folder, setting)?,
            Self::Nginx => config::nginx(folder, setting),
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
            Self::Nginx => command.args(["-e", "stderr", "-p"]).arg(folder).arg("-c").arg(&file),
        };
        Process::start(&format!("{} {hop:?}", self.name()), &mut command, &[setting.port()])
    }
}

/// A path from the top of the tree.
pub(crate) fn top(path: &str) -> String {
    format!("{}/../{path}", env!("CARGO_MANIFEST_DIR"))
}
