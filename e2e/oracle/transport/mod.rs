//! Below HTTP: TLS, PROXY headers, names of endpoints, connections of bytes.
//!
//! Each case of `cases/*.yaml` is a listener and its clusters; both proxies run from the same file. A probe connects,
//! says something, and tells what came of it; `expect` is a part of what Envoy has to answer, so that no case is vacuous.

mod authority;
mod backend;
mod case;
mod name_server;
mod probe;

use std::{fs, path::Path, process::Command};

use e2e::{mesh::leno, port, process::Running};
use serde_json::Value;
use tempfile::TempDir;

use self::case::{Backends, Case};
use crate::{compare::Differences, upstream::Upstream};

/// Everything that cases refer to.
struct World {
    folder: TempDir,
    cases: Vec<Case>,
    backends: Backends,
}

impl World {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let sums = authority::write(folder.path());
        let cases = case::read(folder.path(), &sums);
        let both = rustls::ALL_VERSIONS;
        let web = Upstream::start();
        let backends = Backends::from([
            ("echo", backend::echo("echo")),
            ("other", backend::echo("other")),
            ("third", backend::echo("third")),
            ("tls", backend::tls(folder.path(), &["h2", "http/1.1", "special"], both)),
            ("tls12", backend::tls(folder.path(), &[], &[&rustls::version::TLS12])),
            ("tls13", backend::tls(folder.path(), &[], &[&rustls::version::TLS13])),
            ("web", web.ports("one")[0]),
            ("silent", backend::silent()),
            ("nobody", port::free()),
            ("dns", name_server::start()),
        ]);
        Self { folder, cases, backends }
    }

    /// Starts a proxy; gives the port of each case.
    fn run(&self, name: &str, command: &mut Command) -> (Vec<u16>, Running) {
        let ports: Vec<_> = self.cases.iter().map(|_| port::free()).collect();
        let path = self.folder.path().join(name);
        let file = case::file(&self.cases, &ports, &self.backends, self.folder.path());
        fs::write(&path, file.to_string()).expect("written");
        let last = *ports.last().expect("there are cases");
        let running = Running::start(command.arg("--config-path").arg(path), last);
        (ports, running)
    }
}

/// Asks both and gives what differs.
fn compare(case: &Case, ports: [u16; 2], folder: &Path, known: &Differences) -> Vec<String> {
    let one = |probe: &Value| {
        let [envoy, leno] = ports.map(|port| probe::run(probe, port, folder));
        let wrong = |what: &str| format!("{}: {what}: {probe}\n  envoy: {envoy}\n  leno:  {leno}", case.name);
        let expected = probe["expect"].as_str().unwrap_or_else(|| panic!("{}: {probe} expects nothing", case.name));
        if !envoy.contains(expected) {
            return Some(wrong("Envoy answers otherwise than expected"));
        }
        match (envoy == leno, known.is_probe(&case.name, probe)) {
            (true, true) => Some(wrong("no longer differs: take it out of differences.yaml")),
            (false, false) => Some(wrong("differs")),
            (true, false) | (false, true) => None,
        }
    };
    case.probes.iter().filter_map(one).collect()
}

#[test]
#[ignore = "needs Envoy: cargo xtask test"]
fn connections_behave_alike() {
    let (world, known) = (World::start(), Differences::read());
    let (ours, _leno) = world.run("leno.json", Command::new(leno()).args(["proxy", "--log-level", "error"]));
    let envoy = ["--disable-hot-restart", "--concurrency", "1", "-l", "critical"];
    let (theirs, _envoy) = world.run("envoy.json", Command::new("envoy").args(envoy));
    let mut wrong = Vec::new();
    for (at, case) in world.cases.iter().enumerate() {
        wrong.extend(compare(case, [theirs[at], ours[at]], world.folder.path(), &known));
    }
    let probes: usize = world.cases.iter().map(|case| case.probes.len()).sum();
    assert!(wrong.is_empty(), "{} of {probes} probes differ:\n\n{}", wrong.len(), wrong.join("\n\n"));
    assert!(world.cases.len() >= 60, "{} cases are fewer than there were", world.cases.len());
}
