//! Medians and ratios.

use std::io::Write as _;

use crate::{
    job::{Job, Kind},
    load::Outcome,
    peer::Peer,
    process::Memory,
};

/// One measurement.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sample {
    pub(crate) outcome: Outcome,
    /// Processor time of the outbound and the inbound hop, in seconds.
    pub(crate) cpu: (f64, f64),
    /// Memory of the hop that is looked at, before any load.
    pub(crate) before: Memory,
    /// The most resident memory of a hop, in MiB.
    pub(crate) peak: f64,
    /// Memory of a connection that waits, in KiB.
    pub(crate) each: f64,
    /// Time from the start to the first connection, in milliseconds.
    pub(crate) ready: f64,
}

/// A sample, and of what it is: without a data plane the job runs directly.
type Measured = (Job, Option<Peer>, Sample);

/// All measurements.
#[derive(Debug)]
pub(crate) struct Report {
    peers: Vec<Peer>,
    seconds: u64,
    rounds: usize,
    samples: Vec<Measured>,
}

const ABOUT: &str = "Two hops of each data plane with mutual TLS 1.3 between them, the caller's identity checked at the \
                     second (HAProxy and nginx: the subject's name, as they cannot look at a URI), metrics as they come, \
                     one worker each. CPU is user and system time of the process per request (TCP: seconds per \
                     gigabyte). `Leno to it` is Leno's first figure, of both hops, as a part of that data plane's: below \
                     1 Leno is cheaper. `Spread` is half the distance of the extremes of the rounds, in percent of the \
                     median.";

impl Report {
    pub(crate) fn new(peers: &[Peer], seconds: u64, rounds: usize) -> Self {
        Self { peers: peers.to_vec(), seconds, rounds, samples: Vec::new() }
    }

    pub(crate) fn add(&mut self, job: Job, peer: Option<Peer>, sample: Sample) {
        self.samples.push((job, peer, sample));
    }

    /// The report in Markdown.
    pub(crate) fn text(&self, jobs: &[Job]) -> String {
        let mut text = format!(
            "# Measurements\n\nWritten by `cargo run -p bench`: {} rounds of {} s, interleaved, medians. {ABOUT}\n\n",
            self.rounds, self.seconds
        );
        for peer in &self.peers {
            text += &format!("- {}: {}\n", peer.name(), peer.version());
        }
        for job in jobs {
            self.job(*job, &mut text);
        }
        text
    }

    fn job(&self, job: Job, text: &mut String) {
        let titles = titles(job);
        let rule = "|---".repeat(titles.len() + 3);
        let (name, about) = (job.name(), job.describe());
        *text += &format!("\n## {name}\n\n{about}\n\n| | {} | spread | Leno to it |\n{rule}|\n", titles.join(" | "));
        let own = self.figure(job, Peer::Leno);
        for peer in std::iter::once(None).chain(self.peers.iter().copied().map(Some)) {
            let samples: Vec<_> = self.of(job, peer).collect();
            if samples.is_empty() {
                continue;
            }
            let (name, cells) = (peer.map_or("direct", Peer::name), cells(job, peer, &samples).join(" | "));
            let (spread, ratio) = match (peer, own) {
                (Some(peer), Some(own)) => {
                    let ratio = own / self.figure(job, peer).unwrap_or_default();
                    (format!("±{:.0} %", spread(&samples, job)), format!("{ratio:.2}"))
                }
                (Some(_), None) => (format!("±{:.0} %", spread(&samples, job)), "–".to_owned()),
                (None, _) => ("–".to_owned(), "–".to_owned()),
            };
            *text += &format!("| {name} | {cells} | {spread} | {ratio} |\n");
        }
    }

    fn of(&self, job: Job, peer: Option<Peer>) -> impl Iterator<Item = Sample> {
        self.samples.iter().filter(move |(of, by, _)| (*of, *by) == (job, peer)).map(|(_, _, sample)| *sample)
    }

    /// What is compared, of a data plane.
    fn figure(&self, job: Job, peer: Peer) -> Option<f64> {
        let samples: Vec<_> = self.of(job, Some(peer)).collect();
        (!samples.is_empty()).then(|| median(&samples, |sample| figure(job, sample)))
    }
}

/// The columns of a job.
fn titles(job: Job) -> &'static [&'static str] {
    match job.kind() {
        Kind::Requests => &["CPU µs out / in", "requests/s", "p50 / p99 / p99.9 µs", "RSS idle / peak MiB"],
        Kind::Handshakes => &["CPU µs in", "connections/s", "RSS idle / peak MiB"],
        Kind::Bytes => &["CPU s/GB out / in", "Gbit/s", "RSS idle / peak MiB"],
        Kind::Idle => &["KiB a connection", "RSS before / after MiB"],
        Kind::Start => &["ms to be ready", "RSS / PSS MiB"],
    }
}

/// A row of a job's table.
fn cells(job: Job, peer: Option<Peer>, samples: &[Sample]) -> Vec<String> {
    let of = |value: fn(&Sample) -> f64| median(samples, value);
    let hop = |value: fn(&Sample) -> f64| median(samples, |sample| value(sample) / sample.outcome.units * unit(job));
    let memory = format!("{:.1} / {:.1}", of(|sample| sample.before.resident), of(|sample| sample.peak));
    let (out, inbound) = (hop(|sample| sample.cpu.0), hop(|sample| sample.cpu.1));
    let rate = of(|sample| sample.outcome.rate);
    let [p50, p99, p999] =
        [of(|sample| sample.outcome.p50), of(|sample| sample.outcome.p99), of(|sample| sample.outcome.p999)].map(time);
    let mut cells = match job.kind() {
        Kind::Requests => {
            vec![format!("{out:.2} / {inbound:.2}"), format!("{rate:.0}"), format!("{p50} / {p99} / {p999}"), memory]
        }
        Kind::Handshakes => vec![format!("{inbound:.1}"), format!("{rate:.0}"), memory],
        Kind::Bytes => vec![format!("{out:.2} / {inbound:.2}"), format!("{:.1}", rate * 8e-9), memory],
        Kind::Idle => vec![format!("{:.1}", of(|sample| sample.each)), memory],
        Kind::Start => {
            let memory =
                format!("{:.1} / {:.1}", of(|sample| sample.before.resident), of(|sample| sample.before.share));
            vec![format!("{:.0}", of(|sample| sample.ready)), memory]
        }
    };
    if peer.is_none() {
        // Without a data plane there is none to look at.
        let nothing = || "–".to_owned();
        cells.first_mut().into_iter().for_each(|cell| *cell = nothing());
        cells.last_mut().into_iter().for_each(|cell| *cell = nothing());
    }
    cells
}

/// A time that was measured.
fn time(micros: f64) -> String {
    if micros > 0.0 { format!("{micros:.0}") } else { "–".to_owned() }
}

/// What is compared: smaller is better.
fn figure(job: Job, sample: &Sample) -> f64 {
    match job.kind() {
        Kind::Requests | Kind::Bytes => (sample.cpu.0 + sample.cpu.1) / sample.outcome.units * unit(job),
        Kind::Handshakes => sample.cpu.1 / sample.outcome.units * unit(job),
        Kind::Idle => sample.each,
        Kind::Start => sample.ready,
    }
}

/// What times are given for: microseconds for a request, seconds for a gigabyte.
fn unit(job: Job) -> f64 {
    if job.kind() == Kind::Bytes { 1e9 } else { 1e6 }
}

fn median(samples: &[Sample], value: impl Fn(&Sample) -> f64) -> f64 {
    let mut values: Vec<_> = samples.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Half the distance of the extremes, in percent of the median.
fn spread(samples: &[Sample], job: Job) -> f64 {
    let values = || samples.iter().map(|sample| figure(job, sample));
    let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
    let middle = median(samples, |sample| figure(job, sample));
    if middle > 0.0 { (high - low) / 2.0 / middle * 100.0 } else { 0.0 }
}

/// A report with the sections of an older one that it has not itself, in the order of the jobs.
pub(crate) fn merged(before: &str, text: &str) -> String {
    const SECTION: &str = "\n## ";
    let mut new = text.split(SECTION);
    let about = new.next().unwrap_or_default().to_owned();
    let new: Vec<_> = new.collect();
    let old: Vec<_> = before.split(SECTION).skip(1).collect();
    let of = |sections: &[&str], name: &str| {
        sections
            .iter()
            .find(|section| section.lines().next() == Some(name))
            .map(|section| section.trim_end().to_owned())
    };
    let sections = Job::ALL.iter().filter_map(|job| of(&new, job.name()).or_else(|| of(&old, job.name())));
    sections.fold(about, |text, section| text + SECTION + &section + "\n")
}

/// Shows the report.
pub(crate) fn show(text: &str) {
    // Nobody may be reading.
    drop(std::io::stdout().write_all(text.as_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_of_other_jobs_stay() {
        let before = "# Old\n\n## http1-1k\n\nold\n\n## gone\n\nold\n\n## tcp-up\n\nold\n";
        let text = "# New\n\n## http1-1k\n\nnew\n\n## http2\n\nnew\n";
        let expected = "# New\n\n## http1-1k\n\nnew\n\n## http2\n\nnew\n\n## tcp-up\n\nold\n";
        assert_eq!(merged(before, text), expected);
    }
}
