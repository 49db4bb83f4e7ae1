//! Medians and ratios.

use std::io::Write as _;

use crate::{
    load::{Job, Outcome},
    peer::Peer,
};

/// One measurement.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sample {
    pub(crate) outcome: Outcome,
    /// Processor time of the outbound and the inbound hop, in seconds.
    pub(crate) cpu: (f64, f64),
    /// Resident memory of the outbound hop before any load, in MiB.
    pub(crate) idle: f64,
    /// The most resident memory of a hop, in MiB.
    pub(crate) peak: f64,
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
            "# Measurements\n\nWritten by `cargo run --release -p bench`: {} rounds of {} s, interleaved, medians. Two hops of each data \
             plane with mutual TLS 1.3 between them, the caller's identity checked at the second (HAProxy: the chain \
             only), one worker each. CPU is user and system time of the process per request (TCP: seconds per gigabyte). \
             The last column is the CPU of both hops as a part of that data plane's: below 1 Leno is cheaper.\n\n",
            self.rounds, self.seconds
        );
        for peer in &self.peers {
            text.push_str(&format!("- {}: {}\n", peer.name(), peer.version()));
        }
        for job in jobs {
            self.job(*job, &mut text);
        }
        text
    }

    fn job(&self, job: Job, text: &mut String) {
        let (cpu, rate) = if job.is_bytes() { ("CPU s/GB", "Gbit/s") } else { ("CPU µs", "requests/s") };
        text.push_str(&format!(
            "\n## {}\n\n{}\n\n| | {cpu} out / in | {rate} | p50 / p99 µs | RSS idle / peak MiB | spread | Leno to it |\n\
             |---|---|---|---|---|---|---|\n",
            job.name(),
            job.describe()
        ));
        let own = self.cpu(job, Peer::Leno).map(|(out, inbound)| out + inbound);
        for peer in std::iter::once(None).chain(self.peers.iter().copied().map(Some)) {
            let samples: Vec<_> = self.of(job, peer).collect();
            if samples.is_empty() {
                continue;
            }
            let pick = |value: &dyn Fn(&Sample) -> f64| median(samples.iter().map(value).collect());
            let scale = if job.is_bytes() { 8e-9 } else { 1.0 };
            let rate = pick(&|sample| sample.outcome.rate * scale);
            let times = (pick(&|sample| sample.outcome.p50), pick(&|sample| sample.outcome.p99));
            let name = peer.map_or("direct", Peer::name);
            let rate = if job.is_bytes() { format!("{rate:.1}") } else { format!("{rate:.0}") };
            let Some(peer) = peer else {
                text.push_str(&format!("| {name} | – | {rate} | {:.0} / {:.0} | – | – | – |\n", times.0, times.1));
                continue;
            };
            let (out, inbound) = self.cpu(job, peer).unwrap_or_default();
            let ratio = own.map(|own| own / (out + inbound)).unwrap_or_default();
            let memory = (pick(&|sample| sample.idle), pick(&|sample| sample.peak));
            let spread = spread(samples.iter().map(|sample| total(job, sample)).collect());
            text.push_str(&format!(
                "| {name} | {out:.2} / {inbound:.2} | {rate} | {:.0} / {:.0} | {:.0} / {:.0} | ±{spread:.0} % | {ratio:.2} |\n",
                times.0, times.1, memory.0, memory.1
            ));
        }
    }

    fn of(&self, job: Job, peer: Option<Peer>) -> impl Iterator<Item = Sample> {
        self.samples.iter().filter(move |(of, by, _)| (*of, *by) == (job, peer)).map(|(_, _, sample)| *sample)
    }

    /// The median processor time of both hops for a unit.
    fn cpu(&self, job: Job, peer: Peer) -> Option<(f64, f64)> {
        let samples: Vec<_> = self.of(job, Some(peer)).collect();
        let hop = |value: fn(&Sample) -> f64| {
            median(samples.iter().map(|sample| value(sample) / sample.outcome.units * unit(job)).collect())
        };
        (!samples.is_empty()).then(|| (hop(|sample| sample.cpu.0), hop(|sample| sample.cpu.1)))
    }
}

/// What times are given for: microseconds for a request, seconds for a gigabyte.
fn unit(job: Job) -> f64 {
    if job.is_bytes() { 1e9 } else { 1e6 }
}

/// The processor time of both hops for a unit.
fn total(job: Job, sample: &Sample) -> f64 {
    (sample.cpu.0 + sample.cpu.1) / sample.outcome.units * unit(job)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Half the distance of the extremes, in percent of the median.
fn spread(values: Vec<f64>) -> f64 {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(0.0, f64::max);
    let middle = median(values);
    if middle > 0.0 { (high - low) / 2.0 / middle * 100.0 } else { 0.0 }
}

/// Shows the report.
pub(crate) fn show(text: &str) {
    // Nobody may be reading.
    drop(std::io::stdout().write_all(text.as_bytes()));
}
