//! Load generators, and what they say.

use std::process::Command;

use anyhow::Context as _;

use crate::config::{APPLICATION, BYTES, Carries, INBOUND, OUTBOUND};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    /// GET of 1 KiB over 32 kept connections.
    Small,
    /// The same with a JSON access log.
    SmallLogged,
    /// GET of 64 KiB over 32 kept connections.
    Large,
    /// POST of 1 KiB over 32 kept connections.
    Post,
    /// GET of 1 KiB over 4 kept connections: latency.
    Few,
    /// GET of 1 KiB, each over a new connection of the caller.
    Connections,
    /// HTTP/2: 10 connections of 10 streams.
    Streams,
    /// One TCP stream towards the application.
    Bytes,
    /// One TCP stream from the application.
    BytesBack,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    /// Requests, or bytes for the TCP jobs.
    pub(crate) units: f64,
    /// Units per second.
    pub(crate) rate: f64,
    /// Latency in microseconds, where it is measured.
    pub(crate) p50: f64,
    /// The same.
    pub(crate) p99: f64,
}

impl Job {
    /// All of them.
    pub(crate) const ALL: [Self; 9] = [
        Self::Small,
        Self::SmallLogged,
        Self::Large,
        Self::Post,
        Self::Few,
        Self::Connections,
        Self::Streams,
        Self::Bytes,
        Self::BytesBack,
    ];

    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Small => "http1-1k",
            Self::SmallLogged => "http1-1k-log",
            Self::Large => "http1-64k",
            Self::Post => "http1-post",
            Self::Few => "http1-latency",
            Self::Connections => "http1-connections",
            Self::Streams => "http2",
            Self::Bytes => "tcp-up",
            Self::BytesBack => "tcp-down",
        }
    }

    /// What it is, for the report.
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Small => "HTTP/1.1, GET 1 KiB, 32 kept connections (wrk)",
            Self::SmallLogged => "the same with an access log line per request at both hops",
            Self::Large => "HTTP/1.1, GET 64 KiB, 32 kept connections (wrk)",
            Self::Post => "HTTP/1.1, POST 1 KiB, 32 kept connections (wrk)",
            Self::Few => "HTTP/1.1, GET 1 KiB, 4 kept connections (wrk): latency",
            Self::Connections => "HTTP/1.1, GET 1 KiB, a new connection for every request (wrk)",
            Self::Streams => "HTTP/2, GET 1 KiB, 10 connections of 10 streams (h2load)",
            Self::Bytes => "TCP, one stream to the application (iperf3)",
            Self::BytesBack => "TCP, one stream from the application (iperf3)",
        }
    }

    pub(crate) fn carries(self) -> Carries {
        match self {
            Self::Streams => Carries::Http2,
            Self::Bytes | Self::BytesBack => Carries::Tcp,
            Self::Small | Self::SmallLogged | Self::Large | Self::Post | Self::Few | Self::Connections => Carries::Http,
        }
    }

    /// Whether units are bytes.
    pub(crate) fn is_bytes(self) -> bool {
        self.carries() == Carries::Tcp
    }

    /// Loads `port` for so many seconds.
    pub(crate) fn run(self, port: u16, seconds: u64) -> anyhow::Result<Outcome> {
        let url = |path: &str| format!("http://127.0.0.1:{port}/{path}");
        match self {
            Self::Small | Self::SmallLogged => wrk(&["-c32"], &url("1k"), seconds),
            Self::Large => wrk(&["-c32"], &url("64k"), seconds),
            Self::Post => wrk(&["-c32", "-s", &script("post.lua")], &url("post"), seconds),
            Self::Few => wrk(&["-c4"], &url("1k"), seconds),
            Self::Connections => wrk(&["-c32", "-H", "Connection: close"], &url("1k"), seconds),
            Self::Streams => h2load(&url("1k"), seconds),
            Self::Bytes => iperf(port, seconds, false),
            Self::BytesBack => iperf(port, seconds, true),
        }
    }

    /// The port without any proxy.
    pub(crate) fn direct(self) -> u16 {
        match self.carries() {
            Carries::Http => APPLICATION,
            Carries::Http2 => crate::config::APPLICATION_H2,
            Carries::Tcp => BYTES,
        }
    }

    /// The ports that the two hops listen on.
    pub(crate) fn hops() -> [u16; 2] {
        [OUTBOUND, INBOUND]
    }
}

fn script(name: &str) -> String {
    format!("{}/scripts/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    anyhow::ensure!(output.status.success(), "{command:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    Ok(text)
}

fn wrk(flags: &[&str], url: &str, seconds: u64) -> anyhow::Result<Outcome> {
    let mut command = Command::new("wrk");
    command.args(["-t1", "--latency", &format!("-d{seconds}s")]).args(flags).arg(url);
    let text = output(&mut command)?;
    anyhow::ensure!(!text.contains("Non-2xx"), "answers that are no success: {text}");
    let after = |key: &str| text.lines().find_map(|line| line.trim().strip_prefix(key)).map(str::trim);
    let requests = text.lines().find_map(|line| line.trim().split_once(" requests in ")).map(|(count, _)| count);
    Ok(Outcome {
        units: requests.and_then(|count| count.parse().ok()).context("wrk says no number of requests")?,
        rate: after("Requests/sec:").and_then(|rate| rate.parse().ok()).context("wrk says no rate")?,
        p50: after("50%").and_then(micros).unwrap_or_default(),
        p99: after("99%").and_then(micros).unwrap_or_default(),
    })
}

/// `1.23ms` in microseconds.
fn micros(text: &str) -> Option<f64> {
    let units = [("us", 1.0), ("ms", 1e3), ("s", 1e6)];
    units.iter().find_map(|(unit, scale)| Some(text.strip_suffix(unit)?.trim().parse::<f64>().ok()? * scale))
}

fn h2load(url: &str, seconds: u64) -> anyhow::Result<Outcome> {
    let mut command = Command::new("h2load");
    command.args(["-c10", "-m10", "-t1", &format!("-D{seconds}"), url]);
    let text = output(&mut command)?;
    let line = |key: &str| text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
    let number = |text: &str, word: &str| -> Option<f64> {
        let words: Vec<&str> = text.split([' ', ',']).filter(|word| !word.is_empty()).collect();
        let at = words.iter().position(|found| *found == word)?;
        words.get(at.checked_sub(1)?)?.parse().ok()
    };
    let succeeded = number(line("requests:"), "succeeded").context("h2load says no number of requests")?;
    let failed = [number(line("requests:"), "failed"), number(line("requests:"), "errored")];
    anyhow::ensure!(failed == [Some(0.0), Some(0.0)], "requests failed: {text}");
    let rate = number(line("finished in"), "req/s").context("h2load says no rate")?;
    // min, max, mean, deviation: the mean stands for the median.
    let mean = line("time for request:").split_whitespace().nth(5).and_then(micros).unwrap_or_default();
    Ok(Outcome { units: succeeded, rate, p50: mean, p99: 0.0 })
}

fn iperf(port: u16, seconds: u64, reverse: bool) -> anyhow::Result<Outcome> {
    let mut command = Command::new("iperf3");
    command.args(["-c", "127.0.0.1", "-p", &port.to_string(), "-t", &seconds.to_string(), "-f", "k"]);
    if reverse {
        command.arg("-R");
    }
    let text = output(&mut command)?;
    let line = text.lines().rfind(|line| line.contains("receiver")).context("iperf3 says no result")?;
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "Kbits/sec").context("iperf3 says no rate")?;
    let kilobits: f64 = words.get(at.saturating_sub(1)).and_then(|rate| rate.parse().ok()).context("no rate")?;
    let rate = kilobits * 1000.0 / 8.0;
    #[expect(clippy::cast_precision_loss, reason = "seconds are few")]
    let units = rate * seconds as f64;
    Ok(Outcome { units, rate, p50: 0.0, p99: 0.0 })
}
