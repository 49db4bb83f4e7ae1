//! Other people's load generators, and what they say.

use std::{path::Path, process::Command};

use anyhow::Context as _;

use super::Outcome;

pub(super) fn script(name: &str) -> String {
    format!("{}/scripts/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    anyhow::ensure!(output.status.success(), "{command:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    Ok(text)
}

pub(super) fn wrk(flags: &[&str], url: &str, seconds: u64) -> anyhow::Result<Outcome> {
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
        p999: 0.0,
    })
}

/// `1.23ms` in microseconds.
fn micros(text: &str) -> Option<f64> {
    let units = [("us", 1.0), ("ms", 1e3), ("s", 1e6)];
    units.iter().find_map(|(unit, scale)| Some(text.strip_suffix(unit)?.trim().parse::<f64>().ok()? * scale))
}

/// Calls a method with these messages.
pub(super) fn grpc(url: &str, messages: &Path, seconds: u64) -> anyhow::Result<Outcome> {
    let mut command = Command::new("h2load");
    command.arg("-d").arg(messages).args(["-H", "content-type: application/grpc", "-H", "te: trailers"]);
    streams(&mut command, url, seconds)
}

pub(super) fn h2load(url: &str, seconds: u64) -> anyhow::Result<Outcome> {
    streams(&mut Command::new("h2load"), url, seconds)
}

fn streams(command: &mut Command, url: &str, seconds: u64) -> anyhow::Result<Outcome> {
    command.args(["-c10", "-m10", "-t1", &format!("-D{seconds}"), url]);
    let text = output(command)?;
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
    Ok(Outcome { units: succeeded, rate, p50: mean, ..Outcome::default() })
}

pub(super) fn iperf(port: u16, seconds: u64, reverse: bool) -> anyhow::Result<Outcome> {
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
    Ok(Outcome { units, rate, ..Outcome::default() })
}
