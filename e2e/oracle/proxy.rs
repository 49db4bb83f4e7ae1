//! Envoy and Leno on the same cases.

use std::{
    fs,
    net::TcpStream,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use e2e::port;
use tempfile::TempDir;

use crate::{
    admin,
    case::{Case, Request},
    config,
    exchange::{self, Answer},
    upstream::Upstream,
};

/// Both, each on ports of its own.
#[derive(Debug)]
pub(crate) struct Pair {
    envoy: Proxy,
    leno: Proxy,
}

#[derive(Debug)]
struct Proxy {
    child: Child,
    ports: Vec<u16>,
    admin: u16,
    _folder: TempDir,
}

impl Pair {
    /// Starts both and waits until they listen.
    pub(crate) fn start(cases: &[Case], upstream: &Upstream) -> Self {
        let leno = e2e::mesh::leno().display().to_string();
        let leno = Proxy::start(&[&leno, "proxy"], &["--log-level", "error"], cases, upstream);
        // Other runs of Envoy on this machine must not share its memory.
        let envoy = Proxy::start(
            &["envoy"],
            &["--disable-hot-restart", "--concurrency", "1", "-l", "critical"],
            cases,
            upstream,
        );
        Self { envoy, leno }
    }

    /// Asks both the same.
    pub(crate) fn ask(&self, case: usize, request: &Request, upstream: &Upstream) -> [Answer; 2] {
        [&self.envoy, &self.leno].map(|proxy| {
            static ASKED: AtomicU32 = AtomicU32::new(0);
            let id = ASKED.fetch_add(1, Ordering::Relaxed).to_string();
            let mut answer = exchange::ask(proxy.ports[case], request, &id);
            for (_, value) in &mut answer.headers {
                *value = upstream.conceal(value);
            }
            // A request that goes to several says to how many.
            let least = request.headers.iter().find(|(name, _)| name == "x-arrivals");
            let least = least.and_then(|(_, count)| count.parse().ok());
            let arrivals = upstream.arrivals(&id, least.unwrap_or_default());
            let attempts = u32::try_from(arrivals.len()).unwrap_or(u32::MAX);
            Answer { attempts, arrivals: if least.is_some() { arrivals } else { Vec::new() }, ..answer }
        })
    }
}

impl Pair {
    /// Waits until both think that the same endpoints are unwell.
    pub(crate) fn settle(&self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let (envoy, leno) = (admin::unwell_to_envoy(self.envoy.admin), admin::unwell_to_leno(self.leno.admin));
            if envoy == leno {
                return;
            }
            assert!(Instant::now() < deadline, "unwell to Envoy: {envoy:?}, to Leno: {leno:?}");
            std::thread::yield_now();
        }
    }
}

impl Proxy {
    fn start(program: &[&str], flags: &[&str], cases: &[Case], upstream: &Upstream) -> Self {
        let ports: Vec<_> = cases.iter().map(|_| port::free()).collect();
        let admin = port::free();
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("config.json");
        fs::write(&path, config::file(cases, &ports, admin, upstream).to_string()).expect("written");
        let log = fs::File::create(folder.path().join("log")).expect("a log");
        let mut child = Command::new(program[0])
            .args(&program[1..])
            .arg("--config-path")
            .arg(&path)
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program[0]));
        let deadline = Instant::now() + Duration::from_secs(30);
        for port in &ports {
            while TcpStream::connect(("127.0.0.1", *port)).is_err() {
                let ended = child.try_wait().expect("it can be asked");
                let log = || fs::read_to_string(folder.path().join("log")).unwrap_or_default();
                assert!(ended.is_none(), "{program:?} ended: {ended:?}\n{}", log());
                assert!(Instant::now() < deadline, "{program:?} does not listen on {port}\n{}", log());
                std::thread::yield_now();
            }
        }
        Self { child, ports, admin, _folder: folder }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
