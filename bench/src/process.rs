//! Processes under measurement: started, waited for, ended by us alone; what they used, as the kernel counted it.

use std::{
    fs,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;

/// A process that ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    name: String,
    /// How long it took until it listened.
    pub(crate) ready: Duration,
}

/// Memory in MiB.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// Resident now.
    pub(crate) resident: f64,
    /// Resident at most.
    pub(crate) peak: f64,
    /// Resident now, with what is shared with other processes shared out among them.
    pub(crate) share: f64,
}

impl Process {
    /// Starts it and waits until it listens on all of these ports.
    pub(crate) fn start(name: &str, command: &mut Command, ports: &[u16]) -> anyhow::Result<Self> {
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let started = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let mut process = Self { child, name: name.to_owned(), ready: Duration::ZERO };
        let deadline = started + Duration::from_secs(20);
        for port in ports {
            while !listens(*port)? {
                if let Some(status) = process.child.try_wait()? {
                    anyhow::bail!("{name} ended with {status}");
                }
                anyhow::ensure!(Instant::now() < deadline, "{name} does not listen on {port}");
                #[expect(clippy::disallowed_methods, reason = "the next look at a condition with a deadline")]
                thread::sleep(Duration::from_millis(1));
            }
        }
        process.ready = started.elapsed();
        Ok(process)
    }

    /// User and system time so far, in seconds, of all threads.
    pub(crate) fn cpu(&self) -> anyhow::Result<f64> {
        let stat = self.read("stat")?;
        // After the name, which is in parentheses: state is field 3, utime 14, stime 15.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "it is about 100")]
        let per_second = rustix::param::clock_ticks_per_second() as f64;
        Ok((ticks(11) + ticks(12)) / per_second)
    }

    /// Its memory.
    pub(crate) fn memory(&self) -> anyhow::Result<Memory> {
        let (status, rollup) = (self.read("status")?, self.read("smaps_rollup")?);
        let of = |file: &str, name: &str| {
            let line = file.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse::<f64>().ok());
            kib.unwrap_or_default() / 1024.0
        };
        Ok(Memory { resident: of(&status, "VmRSS:"), peak: of(&status, "VmHWM:"), share: of(&rollup, "Pss:") })
    }

    fn read(&self, file: &str) -> anyhow::Result<String> {
        let path = format!("/proc/{}/{file}", self.child.id());
        fs::read_to_string(&path).with_context(|| format!("{} is gone", self.name))
    }
}

/// Whether anybody listens on a port. A connection to find out would be a client to iperf3, which serves one at a time.
fn listens(port: u16) -> anyhow::Result<bool> {
    const LISTEN: &str = "0A";
    let table = fs::read_to_string("/proc/net/tcp").context("cannot see who listens")?;
    let local = format!(":{port:04X}");
    Ok(table.lines().any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields.get(1).is_some_and(|address| address.ends_with(&local)) && fields.get(3) == Some(&LISTEN)
    }))
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
